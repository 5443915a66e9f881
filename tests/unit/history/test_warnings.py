"""Signs of an artefact over several nights, and a history's Markdown and pictures, in which names do no harm."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from perf.history.accepted import AcceptedLevels
from perf.history.findings import HistoryFindings, findings_of
from perf.history.nights import read_nights
from perf.history.tables import SHOWN_NIGHTS
from perf.history.warnings import warnings_of
from perf.report.github.history import MOST_FINDINGS, history_lines
from perf.report.page.data import HistorySeries
from perf.report.page.nights import nights_svg, view_of
from tests.support.factories import TOLERANCES
from tests.unit.history.made_history import CASE, CASES, fill, made_run

HOSTILE = "<script>alert(1)</script>|@octocat"
LOSS = {"resnet50_v1-b1": -0.3}
MANY = [f"net{number}-b1" for number in range(12)]


def findings(folder: Path) -> HistoryFindings:
    return findings_of(read_nights(folder), AcceptedLevels(), TOLERANCES)


def failing(night: int, *workloads: str) -> dict[str, Any]:
    """A night in which these workloads failed."""
    run = made_run(night)
    for entry in run["benchmarks"]:
        info = entry["extra_info"]
        if info["workload"] in workloads and info["variant"] == "mkl-fp32":
            info["verdict"] = {"kind": "drifted"}
    return run


def parsed(series: HistorySeries) -> ET.Element:
    return ET.fromstring(nights_svg(series))  # noqa: S314 - our own


@pytest.mark.parametrize(
    ("failed", "warned"),
    [
        (([], [CASES[0]], [CASES[1]], [], [CASES[2]]), True),
        (([], [CASES[0]], [CASES[1]], [], [CASES[0]]), False),
        (([], [CASES[0]], [], [], [CASES[2]]), False),
        (([CASES[0]], [CASES[1]], [CASES[2]], *[[]] * 7), False),
        (([],) * 5, False),
    ],
    ids=["new ones each night", "one twice", "two nights", "long ago", "none"],
)
def test_other_cases_each_night_are_a_warning(folder: Path, failed: Sequence[list[str]], warned: bool) -> None:
    fill(folder, [failing(night, *names) for night, names in enumerate(failed)])
    warnings = warnings_of(findings(folder))
    assert any("3 of the last 5 nights have failed cases, 3 in all" in one for one in warnings) == warned
    assert any("Other cases each night" in one for one in warnings) == warned


@pytest.mark.parametrize(("moved", "side"), [(-0.2, "slower"), (0.2, "faster")])
def test_a_night_in_which_all_move_to_one_side_is_a_warning(folder: Path, moved: float, side: str) -> None:
    runs = [made_run(night, dict.fromkeys(MANY, moved if night == 6 else 0.0), cases=MANY) for night in range(8)]
    fill(folder, runs)
    (warning,) = warnings_of(findings(folder))
    assert warning.startswith(f"One-sided on 2026-11-07 02:00: 12 of 12 series are {side} than ")


def test_nights_that_move_both_ways_are_no_warning(folder: Path) -> None:
    fill(folder, [made_run(night, cases=MANY) for night in range(8)])
    assert warnings_of(findings(folder)) == []


def test_a_quiet_history_has_no_markdown(
    folder: Path, history: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    fill(folder, [made_run(night) for night in range(8)])
    assert history("check", "--markdown", "--folder", folder) == 0
    assert capsys.readouterr().out == ""


def with_names(run: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    for entry in run["benchmarks"]:
        info = entry["extra_info"]
        info["workload"] = names.get(info["workload"], info["workload"])
    return run


def test_losses_are_a_short_table_in_which_names_do_no_harm(
    folder: Path, history: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = {"resnet50_v1-b1": HOSTILE}
    before = [with_names(made_run(night), hostile) for night in range(12)]
    fill(folder, [*before, *(with_names(made_run(night, LOSS, wheel="c"), hostile) for night in range(12, 16))])
    (folder / "0.jsonl").touch()
    assert history("check", "--markdown", "--folder", folder) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "## History: 1 loss"
    (row,) = [line for line in lines if line.startswith("| <code>")]
    assert len(re.findall(r"(?<!\\)\|", row)) == 5
    assert not re.search(r"<(?!/?code>)|@", row)
    assert "step on 2026-11-13" in row
    assert "mxnet-mkl-b (bbbbbbbbbbbb) -&#62; mxnet-mkl-c" in row
    assert any("Cannot be used: " in line and "0.jsonl: is empty" in line for line in lines)


def test_many_losses_stay_short(folder: Path) -> None:
    runs = [
        made_run(night, dict.fromkeys(MANY, -0.3 if night > 9 else 0.0), side_by_side=True, wheel="c", cases=MANY)
        for night in range(14)
    ]
    fill(folder, runs)
    lines = history_lines(findings(folder))
    assert len(lines) <= 40
    assert sum(line.startswith("| <code>") for line in lines) == MOST_FINDINGS
    assert "And 3 more losses." in lines


def test_the_page_shows_losses_first_and_the_last_month(folder: Path) -> None:
    nights = range(SHOWN_NIGHTS + 4)
    fill(folder, [made_run(n, LOSS if n > 12 else None, side_by_side=True, wheel="c") for n in nights])
    view = view_of(findings(folder))
    assert [series.lost for series in view.series] == [True, False, False]
    lost = view.series[0]
    assert (lost.name, len(lost.days), lost.days[0]) == (CASE, SHOWN_NIGHTS, "2026-11-05 02:00")
    assert lost.change is not None
    assert lost.change.value == pytest.approx(0.741, abs=0.02)
    assert lost.changes[0].startswith("step of -2")
    picture = parsed(lost)
    assert len(picture.findall("circle")) == SHOWN_NIGHTS
    assert len([line for line in picture.findall("line") if line.get("class") == "border"]) == 1


def test_a_failed_night_is_marked_and_a_name_with_markup_stays_a_text(folder: Path) -> None:
    fill(folder, [failing(night, *([CASES[1]] if night == 2 else [])) for night in range(4)])
    (series,) = [one for one in view_of(findings(folder)).series if one.name == CASE]
    assert series.failed == [False, False, True, False]
    picture = parsed(msgspec.structs.replace(series, name=HOSTILE))
    assert [mark.get("class") for mark in picture.findall("circle")] == ["typical", "typical", "fastest", "typical"]
    assert HOSTILE in str(picture.get("aria-label"))
