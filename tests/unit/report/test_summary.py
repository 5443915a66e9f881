"""The summary shows the figures of the records, in Markdown and on consoles of any width."""

import html
import re
import tempfile
from collections import Counter
from dataclasses import replace
from io import StringIO
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace as changed
from rich.console import Console

from perf.columns import Column
from perf.errors import PerfError
from perf.facts import Drift
from perf.report.github.markdown import write_markdown
from perf.report.summary import MARKED, TYPICAL, Summary, print_summary, tables_of
from perf.report.tables import TextTable
from perf.runs.record import CaseRecord, RatioEstimate
from perf.runs.schema import FEW
from tests.unit.report.records import (
    FP32,
    INT8,
    NATIVE,
    RECORDS,
    RECURRENT,
    SUMMARY,
    network,
    ratio,
    record,
    trained,
)

FIGURE = re.compile(r"\d+\.\d+")


def printed(summary: Summary, width: int) -> str:
    out = StringIO()
    print_summary(summary, Console(file=out, width=width))
    return out.getvalue()


def table_of(records: list[CaseRecord]) -> TextTable:
    """Return the table of records of one family."""
    (table,) = tables_of(Summary(records, [], [], []))
    return table


def written(summary: Summary, path: Path, title: str = "") -> str:
    """Return the summary's Markdown as it is read: without its escapes."""
    write_markdown(summary, path, title)
    return re.sub(r"\\(.)", r"\1", html.unescape(path.read_text()))


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def test_training_is_shown_in_percent() -> None:
    table, _ = tables_of(Summary([trained(1), trained(2, ratio(0.5))], [], [], []))
    assert table.names[4:] == ["r1 ms", "r1 images/s", "r2", "published", "r2 ms", "r2 images/s", "r2 communication"]
    assert table.rows[0][:4] == ["resnet50_v1", "8", "mkl", "this host"]
    assert table.rows[0][6:8] == ["50.0 % [45.0, 55.0]", "98.9 %"]
    assert table.rows[0][-1] == "5.1 %"


class WithColumn(CaseRecord, frozen=True, kw_only=True):
    """A record with an additional figure."""

    heat: Annotated[float, Column(heading="{variant} °C", place=9, variants=("cnn",))] = 71.5


def test_a_field_with_a_column_is_in_the_table() -> None:
    fields = {name: getattr(FP32, name) for name in CaseRecord.__struct_fields__}
    table = table_of([NATIVE, WithColumn(**fields)])
    assert (table.names[-1], table.rows[0][-1]) == ("mkl-fp32 °C", "71.50")


def test_the_drift_of_int8_is_shown_if_it_was_measured() -> None:
    drift = Drift(top1_agreement=0.96875, sqnr_db=38.06, cosine=0.99981, largest_error=0.2)
    table = table_of([NATIVE, FP32, changed(INT8, facts=network(drift=drift))])
    assert table.names[-1] == "mkl-int8 drift"
    assert table.rows[0][-1] == "38.1 dB, 97 %"
    assert "drift" not in "".join(table_of([NATIVE, FP32]).names)


def test_published_speedups_are_shown_next_to_each_variant() -> None:
    table = table_of(RECORDS)
    names = ["Network", "Batch", "native-fp32 ms", "native-fp32 GFLOP/s"]
    names += ["mkl-fp32", "published", "mkl-fp32 GFLOP/s", "mkl-int8", "published", "mkl-int8 GFLOP/s"]
    assert table.names == names
    first, second = table.rows
    assert first[:4] == ["resnet50_v1", "8", "1234.57", "262.14"]
    assert first[4:] == ["15.55 [14.00, 17.11]", "18.83", "262.14", "123.46 [111.11, 135.80]", "65.03", "262.14"]
    assert second[:7] == ["mobilenetv2_1.0", "64", "1234.57", "262.14", "-", "-", "-"]
    assert second[7:] == ["217.07 [195.36, 238.78]", "65.03", "262.14"]


def test_recurrent_networks_have_a_table_of_their_own() -> None:
    networks, recurrent = tables_of(Summary([*RECORDS, *RECURRENT], [], [], []))
    assert networks == table_of(RECORDS)
    assert "Table 3" in recurrent.title
    assert recurrent.names[:3] == ["Cell", "Shape [N, T, C, H]", "Layers"]
    (row,) = recurrent.rows
    assert row[:6] == ["lstm", "[32, 50, 512, 512]", "8", "1234.57", "32.00", "262.14"]
    assert row[6:] == ["15.55 [14.00, 17.11]", "18.83", "250.00", "32.00", "262.14"]


def test_order_of_records_within_a_workload_does_not_matter() -> None:
    assert table_of([FP32, NATIVE]) == table_of([NATIVE, FP32])


def test_a_reference_that_failed_leaves_dashes() -> None:
    assert table_of([record("mkl-fp32")]).rows == [["resnet50_v1", "8", "-", "-", "-", "-", "262.14"]]


def test_no_records_are_no_tables() -> None:
    assert tables_of(Summary([], [], [], [])) == []


INTERVAL = ratio(7.3, low=7.111, high=7.499, typical=7.2)
BUSY = changed(INTERVAL, typical=7.051)
DISTURBED, TWO = {"disturbed": True}, {"invocations": FEW - 1}
SHAKY = [DISTURBED, TWO, {"invocations": 1, "disturbed": True}]


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        (None, "-"),
        (ratio(7.3, low=None, high=None, typical=6.0), "7.30"),
        (INTERVAL, "7.30 [7.11, 7.50]"),
        (ratio(7.3, low=None, high=None, typical=6.0, **TWO), "7.30 ?"),
        (changed(INTERVAL, **TWO), "7.30 [7.11, 7.50] ?"),
        (changed(INTERVAL, **DISTURBED), "7.30 [7.11, 7.50] ?"),
        (BUSY, "7.30 [7.11, 7.50] ~7.05"),
        (changed(BUSY, typical=7.5), "7.30 [7.11, 7.50] ~7.50"),
        (changed(BUSY, **TWO), "7.30 [7.11, 7.50] ~7.05 ?"),
        (changed(INTERVAL, invocations=100, disturbed=True), "7.30 [7.11, 7.50] ?"),
        (changed(INTERVAL, invocations=100), "7.30 [7.11, 7.50]"),
    ],
)
def test_a_speedup_has_its_interval_and_a_mark_if_it_is_uncertain(figure: RatioEstimate | None, text: str) -> None:
    assert table_of([NATIVE, record("mkl-fp32", figure)]).rows[0][4] == text


@pytest.mark.parametrize("shaky", SHAKY)
def test_the_mark_is_explained_once_below_the_tables(tmp_path: Path, shaky: dict[str, Any]) -> None:
    cases = [changed(FP32, speedup=ratio(15.554, **shaky)), changed(INT8, speedup=ratio(123.456, **shaky))]
    marked = replace(SUMMARY, records=[NATIVE, *cases])
    lines = printed(marked, 200).splitlines()
    assert lines[-2:] == [MARKED, *SUMMARY.footer]
    assert sum(line.count(" ?") for line in lines) == 2
    text = written(marked, tmp_path / "summary.md")
    assert text.count(" ? |") == 2
    assert f"\n- {MARKED}\n- {SUMMARY.footer[0]}\n" in text


def test_a_typical_speedup_outside_the_interval_is_shown_and_explained(tmp_path: Path) -> None:
    busy = replace(SUMMARY, records=[NATIVE, record("mkl-fp32", ratio(15.554, typical=13.99)), INT8])
    markdown = written(busy, tmp_path / "summary.md")
    lines = printed(busy, 200).splitlines()
    assert lines[-2:] == [TYPICAL, *SUMMARY.footer]
    for text in ("\n".join(lines[:-2]), markdown.replace(TYPICAL, "")):
        assert text.count("15.55 [14.00, 17.11] ~13.99") == text.count("~") == 1


def test_both_marks_are_explained() -> None:
    both = replace(
        SUMMARY, records=[NATIVE, record("mkl-fp32", ratio(9.0, **TWO)), record("mkl-int8", ratio(9.0, typical=1.0))]
    )
    assert printed(both, 200).splitlines()[-3:] == [MARKED, TYPICAL, *SUMMARY.footer]


def test_without_a_mark_there_is_nothing_to_explain(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    write_markdown(SUMMARY, path, "")
    for text in (printed(SUMMARY, 200), path.read_text()):
        assert "?" not in text
        assert "~" not in text


def test_an_efficiency_is_marked_like_a_speedup_and_the_published_one_is_not() -> None:
    (table, *_) = tables_of(Summary([trained(1), trained(2, ratio(0.5, **TWO))], [], [], []))
    assert [cell for cell in table.rows[0] if "?" in cell] == ["50.0 % [45.0, 55.0] ?"]


def test_a_typical_efficiency_outside_the_interval_is_shown_in_percent() -> None:
    shown = Summary([trained(1), trained(2, ratio(0.5, typical=0.4))], [], [], [])
    (table, *_) = tables_of(shown)
    assert [cell for cell in table.rows[0] if "~" in cell] == ["50.0 % [45.0, 55.0] ~40.0"]
    assert printed(shown, 200).splitlines()[-1] == TYPICAL


def test_the_reference_has_no_speedup_to_mark() -> None:
    assert MARKED not in printed(Summary([NATIVE], [], [], []), 200)


SPEEDUPS = st.floats(0.01, 1000)


@settings(deadline=None, max_examples=40)  # each writes a file
@given(SPEEDUPS, SPEEDUPS, st.floats(1e-5, 100))
def test_markdown_has_the_figures_of_the_records_to_the_printed_digit(
    speedup: float, published: float, seconds: float
) -> None:
    int8 = record("mkl-int8", speedup, published=published)
    summary = Summary([record("native-fp32", latency_s=seconds), int8], [], [], [])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "summary.md")
        write_markdown(summary, path, "CNN inference")
        (row,) = re.findall(r"^\| resnet50_v1 \| 8 \|(.*)$", path.read_text(), re.MULTILINE)
    rate = 262.144
    expected = [seconds * 1e3, rate, speedup, speedup * 0.9, speedup * 1.1, published, rate]
    assert [float(figure) for figure in FIGURE.findall(row)] == [
        pytest.approx(value, abs=0.00501) for value in expected
    ]


def test_markdown_is_one_table_between_two_lists(tmp_path: Path) -> None:
    lines = written(SUMMARY, tmp_path / "summary.md", "CNN inference, quick tier").splitlines()
    table = table_of(RECORDS)
    assert lines[:3] == ["# CNN inference, quick tier", "", "- machine class c5.metal: 48 cores"]
    assert f"## {table.title}" in lines
    rows = [cells(line) for line in lines if line.startswith("|")]
    assert rows == [table.names, [":--", *["--:"] * 9], *table.rows]
    assert lines[-2:] == ["", "- 4711 s in all, [42] %"]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "summary.md"
    with pytest.raises(PerfError, match=r"could not be written: .*No such file") as caught:
        write_markdown(SUMMARY, path, "")
    assert caught.value.subject == str(path)
    assert caught.value.next_step == "name another file"


@pytest.mark.parametrize("width", [60, 61, 80, 100])
def test_a_narrow_console_folds_and_loses_no_digit(width: int) -> None:
    summary = replace(SUMMARY, records=[*RECORDS, *RECURRENT])
    tables = [[table.title, *table.names, *chain(*table.rows)] for table in tables_of(summary)]
    texts = [*summary.header, *chain(*tables), *summary.footer]
    out = printed(summary, width)
    assert Counter(re.findall(r"\d", out)) == Counter(re.findall(r"\d", "".join(texts)))
    assert "…" not in out


def test_a_wide_console_shows_each_row_on_one_line() -> None:
    lines = [re.split(r"\s{2,}", line.strip()) for line in printed(SUMMARY, 200).splitlines()]
    table = table_of(RECORDS)
    heads = [name.split(" ", 1) for name in table.names]
    assert [first for first, *unit in heads if unit] in lines
    assert [head[-1] for head in heads] in lines
    assert [line for line in lines if line[0] in {"resnet50_v1", "mobilenetv2_1.0"}] == table.rows


def test_lines_around_the_table_are_neither_wrapped_nor_read_as_markup() -> None:
    long = Summary([], [], ["[bold] " + "x" * 300], ["[/nothing] y"])
    assert printed(long, 40).splitlines() == [*long.header, *long.footer]
