"""The summary's figures are the records', in Markdown and on consoles of any width."""

import re
import tempfile
from collections import Counter
from io import StringIO
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from perf.errors import PerfError
from perf.report.summary import Summary, print_summary, speedup_text, table_of, write_markdown

FIGURE = re.compile(r"\d+\.\d+")


def record(variant: str, speedup: float | None = None, **other: Any) -> dict[str, Any]:
    """A record of resnet50_v1 at batch 8; its interval reaches 10 % to either side."""
    return {
        "subject": "resnet50_v1",
        "workload": "resnet50_v1-b8",
        "variant": variant,
        "reference": "native-fp32",
        "items_per_pass": 8,
        "latency_s": 0.25,
        "speedup": speedup,
        "speedup_low": None if speedup is None else speedup * 0.9,
        "speedup_high": None if speedup is None else speedup * 1.1,
        "published_speedup": None,
        **other,
    }


NATIVE = record("native-fp32", latency_s=1.2345678)
FP32 = record("mkl-fp32", 15.554, published_speedup=18.83)
INT8 = record("mkl-int8", 123.456, published_speedup=65.03)
OTHER = {"subject": "mobilenetv2_1.0", "workload": "mobilenetv2_1.0-b64", "items_per_pass": 64}
RECORDS = [NATIVE, FP32, INT8, NATIVE | OTHER, INT8 | OTHER | {"speedup": 217.07}]
SUMMARY = Summary(RECORDS, ["machine class c5.metal: 48 cores"], ["4711 s in all, [42] %"])


def printed(summary: Summary, width: int) -> str:
    out = StringIO()
    print_summary(summary, Console(file=out, width=width))
    return out.getvalue()


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def test_variants_stand_beside_what_was_published() -> None:
    names, rows = table_of(RECORDS)
    assert names == ["Network", "Batch", "native ms", "mkl-fp32", "published", "mkl-int8", "published"]
    first, second = rows
    assert first[:3] == ["resnet50_v1", "8", "1234.57"]
    assert first[3:] == ["15.55 [14.00, 17.11]", "18.83", "123.46 [111.11, 135.80]", "65.03"]
    assert second == ["mobilenetv2_1.0", "64", "1234.57", "-", "-", "217.07 [111.11, 135.80]", "65.03"]


def test_order_of_records_within_a_workload_does_not_matter() -> None:
    assert table_of([FP32, NATIVE])[1] == table_of([NATIVE, FP32])[1]


def test_a_reference_that_failed_leaves_dashes() -> None:
    assert table_of([record("mkl-fp32")])[1] == [["resnet50_v1", "8", "-", "-", "-"]]


def test_no_records_are_no_rows() -> None:
    assert table_of([]) == (["Network", "Batch", "native ms"], [])


@pytest.mark.parametrize(
    ("figures", "text"),
    [
        ({}, "-"),
        ({"speedup": None, "speedup_low": None, "speedup_high": None}, "-"),
        ({"speedup": 7.3, "speedup_low": None, "speedup_high": None}, "7.30"),
        ({"speedup": 7.3, "speedup_low": 7.111, "speedup_high": 7.499}, "7.30 [7.11, 7.50]"),
    ],
)
def test_speedup_text(figures: dict[str, float | None], text: str) -> None:
    assert speedup_text(figures) == text


SPEEDUPS = st.floats(0.01, 1000)


@settings(deadline=None, max_examples=40)  # each writes a file
@given(SPEEDUPS, SPEEDUPS, st.floats(1e-5, 100))
def test_markdown_holds_the_records_figures_to_the_printed_digit(
    speedup: float, published: float, seconds: float
) -> None:
    found = record("mkl-int8", speedup, published_speedup=published)
    summary = Summary([record("native-fp32", latency_s=seconds), found], [], [])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "summary.md")
        write_markdown(summary, path, "CNN inference")
        (row,) = re.findall(r"^\| resnet50_v1 \| 8 \|(.*)$", path.read_text(), re.MULTILINE)
    expected = [seconds * 1e3, speedup, found["speedup_low"], found["speedup_high"], published]
    assert [float(figure) for figure in FIGURE.findall(row)] == [
        pytest.approx(value, abs=0.00501) for value in expected
    ]


def test_markdown_is_one_table_between_two_lists(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    write_markdown(SUMMARY, path, "CNN inference, quick tier")
    lines = path.read_text().splitlines()
    names, rows = table_of(RECORDS)
    assert lines[:3] == ["# CNN inference, quick tier", "", "- machine class c5.metal: 48 cores"]
    table = [cells(line) for line in lines if line.startswith("|")]
    assert table == [names, [":--", *["--:"] * 6], *rows]
    assert lines[-2:] == ["", "- 4711 s in all, [42] %"]


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "summary.md"
    with pytest.raises(PerfError, match=r"could not be written: .*No such file") as caught:
        write_markdown(SUMMARY, path, "")
    assert caught.value.subject == str(path)
    assert caught.value.next_step == "name another file"


@pytest.mark.parametrize("width", [30, 40, 61, 80, 100])
def test_a_narrow_console_folds_and_loses_no_digit(width: int) -> None:
    names, rows = table_of(RECORDS)
    texts = ["Speedup [95 % interval], Table 2", *names, *chain(*rows), *SUMMARY.header, *SUMMARY.footer]
    out = printed(SUMMARY, width)
    assert Counter(re.findall(r"\d", out)) == Counter(re.findall(r"\d", "".join(texts)))
    assert "…" not in out


def test_a_wide_console_shows_each_row_on_one_line() -> None:
    lines = [re.split(r"\s{2,}", line.strip()) for line in printed(SUMMARY, 200).splitlines()]
    names, rows = table_of(RECORDS)
    assert names in lines
    assert [line for line in lines if line[0] in {"resnet50_v1", "mobilenetv2_1.0"}] == rows


def test_lines_around_the_table_are_neither_wrapped_nor_taken_for_markup() -> None:
    long = Summary([], ["[bold] " + "x" * 300], ["[/nothing] y"])
    assert printed(long, 40).splitlines() == [*long.header, *long.footer]
