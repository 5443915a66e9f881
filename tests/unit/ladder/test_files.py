"""A measured ladder as table, CSV, Markdown, chart and JSON; and a disk that cannot hold them."""

import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from jsonschema import Draft202012Validator
from markdown_it import MarkdownIt
from rich.console import Console

from perf.cli.pages.schemas import SCHEMAS
from perf.cli.releases import exit_code
from perf.errors import PerfError
from perf.ladder.data import Report
from perf.ladder.files import markdown_of, write_files
from perf.ladder.schema import StoredLadder
from perf.ladder.table import Grid, csv_of_steps, print_ladder
from tests.unit.ladder.made_ladder import cell, ladder

QUIET = [0.001, -0.001, 0.0005, -0.0005]
SLOWER, FASTER = ([value + by for value in QUIET] for by in (-0.1, 0.1))
KERNELS = {"softmax jit:avx512_core": 1, "reorder a|b": 2}
MADE = ladder(
    {
        "softmax": {"1.3.1": "it <fails> | here", "1.4.1": QUIET, "1.5.0": SLOWER},
        "relu": {"1.3.1": QUIET, "1.4.1": FASTER, "1.5.0": [0.1]},
        "tanh": {"1.3.1": QUIET, "1.4.1": QUIET},
    },
    cell("1.5.0", [], "tanh", status="same stack", reason="1.4.1"),
    reported=[Report("1.4.1", "1.5.0", "slower", ("softmax",), "it was said", "https://example.org/1")],
)


def printed(ladder: StoredLadder) -> str:
    console = Console(file=io.StringIO(), width=100)
    print_ladder(Grid(ladder), console)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize(
    ("workload", "shown"),
    [
        ("softmax", ["n/a", "first", "-9.5% *"]),
        ("relu", ["first", "+10.5% *", "?"]),
        ("tanh", ["first", "+0.0%", "same"]),
    ],
)
def test_a_row_shows_each_release_or_why_it_shows_nothing(workload: str, shown: list[str]) -> None:
    grid = Grid(MADE)
    assert [grid.text(release, workload, interval=False) for release in grid.releases] == shown


def test_below_the_table_stands_every_gap_and_every_significant_change() -> None:
    text = printed(MADE)
    assert "2 significant changes in 5 steps." in text
    assert text.index("  softmax, 1.4.1 to 1.5.0: -9.5% [") < text.index("  relu, 1.3.1 to 1.4.1: +10.5% [")
    assert "Not available in 1.3.1: softmax (it <fails> | here)" in text
    assert "Not decided: relu, 1.4.1 to 1.5.0: 1.5.0 has 1 undisturbed invocation; 2 are needed" in text
    assert "Reported of 1.4.1 to 1.5.0, softmax: slower; seen here, -9.5% [" in text


def test_how_much_the_control_varied_is_said() -> None:
    cells = [cell(name, QUIET, control=[value, value]) for name, value in (("a", 1.0), ("b", 1.02), ("c", 1.04))]
    made = ladder({"softmax": dict.fromkeys("abc", QUIET)}, *cells)
    assert "which no release changes, varied by 2.0% between releases" in printed(made)
    assert "varied by" not in printed(MADE)


def test_a_release_that_lacks_everything_is_one_line() -> None:
    text = printed(ladder({name: {"a": "no wheel", "b": QUIET} for name in ("softmax", "relu")}))
    assert "Not available in a: all workloads (no wheel)" in text


def test_the_csv_has_a_line_for_each_step() -> None:
    rows = list(csv.DictReader(io.StringIO(csv_of_steps(MADE))))
    assert [(row["workload"], row["before"], row["after"]) for row in rows] == [
        (step.workload, step.before, step.after) for step in MADE.steps
    ]
    assert float(rows[0]["change"]) == MADE.steps[0].change
    assert {row["significant"] for row in rows} == {"true", "false"}


def test_the_markdown_is_a_page_whose_tables_keep_their_cells() -> None:
    traced = msgspec.structs.replace(
        MADE, cells=[msgspec.structs.replace(cell, kernels=KERNELS) for cell in MADE.cells]
    )
    text = "\n".join(markdown_of(Grid(traced)))
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    rows = text.count("\n| ") + text.startswith("| ")
    assert sum(token.type == "tr_open" for token in tokens) == rows - 2  # without the two lines below the headings
    assert "softmax jit:avx512_core (1), reorder a&#124;b (2)" in text
    assert "-9.5% [" in text


def test_all_files_are_written_and_the_json_conforms_to_its_schema(tmp_path: Path) -> None:
    paths = write_files(MADE, tmp_path)
    assert [path.name for path in paths] == ["ladder.json", "ladder.csv", "ladder.md", "ladder.html"]
    content = json.loads(paths[0].read_bytes())
    schema = json.loads(SCHEMAS["ladder"]())
    Draft202012Validator(schema).validate(content)
    assert msgspec.convert(content, StoredLadder) == MADE


def test_a_read_only_disk_is_a_message_and_leaves_no_part_of_a_file(
    small_disk: tuple[Path, Callable[[], object]],
) -> None:
    folder, make_read_only = small_disk
    make_read_only()
    with pytest.raises(PerfError, match="nothing is measured twice"):
        write_files(MADE, folder)
    assert list(folder.iterdir()) == []


def test_a_full_disk_is_a_message_and_leaves_no_part_of_a_file(
    small_disk: tuple[Path, Callable[[], object]], tmp_path: Path
) -> None:
    folder, _ = small_disk
    disk = os.statvfs(folder)
    *fitting, page = (-(-path.stat().st_size // disk.f_frsize) for path in write_files(MADE, tmp_path))
    free = disk.f_bavail - sum(fitting) - page + 1  # one block of the page has no room
    (folder / "filler").write_bytes(bytes(free * disk.f_frsize))
    with pytest.raises(PerfError, match=r"ladder\.html: cannot be written: No space left"):
        write_files(MADE, folder)
    assert {path.name for path in folder.iterdir()} == {"filler", "ladder.json", "ladder.csv", "ladder.md"}


@pytest.mark.parametrize(
    ("figures", "code"), [(SLOWER, 1), (FASTER, 0), (QUIET, 0), ([0.1], 3), ("it cannot be installed", 3)]
)
def test_a_candidate_that_is_slower_or_was_not_compared_does_not_pass(figures: list[float] | str, code: int) -> None:
    grid = Grid(ladder({"softmax": {"1.9.1": QUIET, "new.whl": figures}}))
    assert exit_code(grid, {"new.whl"}) == code
    assert exit_code(grid, set()) == 0
