"""Tolerances: the narrowest entry counts, and an invalid file is refused by name."""

import math
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from perf.errors import PerfError
from perf.judge.judgement import Tolerance
from perf.judge.variance_prior import VariancePrior
from perf.report.properties import properties_of
from perf.report.verdicts import verdict_lines
from perf.runs.baseline import TOLERANCES as FILE
from perf.runs.tolerances import AssumedDeviations, ToleranceEntry, check_marked, read_tolerances
from tests.support.factories import CASE, TOLERANCES, benchmark, gate, judged, measured_side_by_side, stack
from tests.unit.report.records import FP32

GOOD = """
[default]
change = 0.02
resolution = 0.05
[published]
change = 0.25
resolution = 0.50
[assumed.default]
invocations = 0.05
side_by_side = 0.02
sessions = 0.03
degrees = 4
"""


def test_the_narrowest_tolerance_counts() -> None:
    entries = {"resnet152_v2-*": ToleranceEntry(change=0.03, resolution=0.1), "resnet*": ToleranceEntry(change=0.9)}
    tolerances = msgspec.structs.replace(TOLERANCES, families={"cnn": ToleranceEntry(change=0.02)}, cases=entries)
    assert tolerances.of("rnn", "lstm") == Tolerance(0.01, 0.05)
    assert tolerances.of("cnn", "mobilenet1.0-b1-mkl-fp32") == Tolerance(0.02, 0.05)
    assert tolerances.of("cnn", "resnet152_v2-b1-mkl-int8") == Tolerance(0.03, 0.1)
    assert tolerances.of("cnn", "resnet50_v1-b1-mkl-int8") == Tolerance(0.9, 0.05)


def test_what_an_item_is_marked_with_counts_first_and_the_rest_is_from_the_next_wider_entry() -> None:
    entries = {"resnet152_v2-*": ToleranceEntry(change=0.03, resolution=0.1)}
    tolerances = msgspec.structs.replace(TOLERANCES, cases=entries)
    case = "resnet152_v2-b1-mkl-int8"
    assert tolerances.of("cnn", case, ToleranceEntry(change=0.04)) == Tolerance(0.04, 0.1)
    assert tolerances.of("cnn", case, ToleranceEntry(resolution=0.2)) == Tolerance(0.03, 0.2)
    assert tolerances.of("cnn", "resnet18_v1-b1-mkl-int8", ToleranceEntry(change=0.04)) == Tolerance(0.04, 0.05)


@pytest.mark.parametrize("change", [0.0, 1.0, -0.1, 3.0, math.nan, math.inf])
def test_a_mark_outside_of_0_to_1_is_refused(change: float) -> None:
    with pytest.raises(PerfError, match="a value that is not between 0 and 1") as caught:
        check_marked(ToleranceEntry(change=change), Tolerance(change, 0.05), "test_a[b]")
    assert caught.value.subject == "test_a[b]"


def test_a_mark_that_leaves_no_room_for_ok_is_refused_with_what_to_write() -> None:
    with pytest.raises(PerfError, match=r"allows a change of 0.1, but `ok` excludes 0.05") as caught:
        check_marked(ToleranceEntry(change=0.1), Tolerance(0.1, 0.05), "test_a[b]")
    assert caught.value.next_step == "add a larger resolution: perf(tolerance=0.1, resolution=0.25)"
    check_marked(ToleranceEntry(0.1, 0.25), Tolerance(0.1, 0.25), "test_a[b]")


@pytest.mark.parametrize("change", [0.06, 0.3, 0.5, 0.99])
def test_what_a_message_tells_to_write_is_accepted(change: float) -> None:
    with pytest.raises(PerfError) as caught:
        check_marked(ToleranceEntry(change=change), Tolerance(change, 0.05), "test_a[b]")
    entry = ToleranceEntry(*map(float, re.findall(r"=([\d.]+)", str(caught.value.next_step))))
    assert entry.change == change
    assert entry.resolution is not None
    check_marked(entry, Tolerance(change, entry.resolution), "test_a[b]")


def test_an_assumed_deviation_is_a_prior() -> None:
    assumed = AssumedDeviations(invocations=0.5, side_by_side=0.25, sessions=0.125, degrees=4)
    assert assumed.prior(assumed.invocations) == VariancePrior(0.25, 4)


def test_a_family_without_its_own_assumptions_has_the_default_ones() -> None:
    own = AssumedDeviations(0.1, 0.2, 0.06, 4)
    tolerances = msgspec.structs.replace(TOLERANCES, assumed={**TOLERANCES.assumed, "dist": own})
    assert tolerances.assumed_of("dist") == own
    assert tolerances.assumed_of("cnn") == tolerances.assumed_of("rnn") == TOLERANCES.assumed["default"]


def test_the_tolerances_of_the_repository_are_valid() -> None:
    tolerances = read_tolerances(FILE)
    tolerance = tolerances.of("cnn", CASE)
    assert 0 < tolerance.change < tolerance.resolution < tolerances.published.resolution
    for family in ("cnn", "rnn", "dist"):
        assumed = tolerances.assumed_of(family)
        assert all(0 < sd < 0.5 for sd in (assumed.invocations, assumed.side_by_side, assumed.sessions))
        assert assumed.degrees > 0


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "tolerances.toml"
    path.write_text(GOOD + "[families.cnn]\nchange = 0.1\n[cases.'resnet*']\nresolution = 0.2\n")
    tolerances = read_tolerances(path)
    assert tolerances.of("cnn", CASE) == Tolerance(0.1, 0.2)
    assert tolerances.assumed_of("cnn") == AssumedDeviations(
        invocations=0.05, side_by_side=0.02, sessions=0.03, degrees=4
    )


@pytest.mark.parametrize(
    "content",
    [
        "",
        "default = 1",
        GOOD.replace("change = 0.02", "change = 2"),
        GOOD.replace("change = 0.02", "change = 0.0"),
        GOOD.replace("sessions = 0.03\n", ""),
        GOOD.replace("sessions = 0.03", "sessions = -0.03"),
        GOOD.replace("sessions = 0.03", "sessions = nan"),
        GOOD.replace("sessions = 0.03", "sessions = 0.0"),
        re.sub(r"degrees = \S+", "degrees = 0", GOOD),
        re.sub(r"degrees = \S+", "degrees = inf", GOOD),
        GOOD.replace("assumed.default", "assumed.cnn"),
        GOOD.partition("[assumed.default]")[0],
        GOOD + "[families.cnn]\nchange = 1.5\n",
        GOOD + "[cases.x]\nfactor = 2\n",
    ],
)
def test_unusable_tolerances_are_refused_by_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "tolerances.toml"
    path.write_text(content)
    with pytest.raises(PerfError, match=r"tolerances\.toml"):
        read_tolerances(path)


SLOWER_BY_TEN_PERCENT: dict[str, Any] = {
    "beside": measured_side_by_side(-0.105, -0.104, -0.106, -0.105),
    "stack": stack(wheel="d" * 64),
}


def test_a_run_is_judged_by_the_tolerances_that_it_holds_and_says_so() -> None:
    entry = benchmark(**SLOWER_BY_TEN_PERCENT)
    assert judged(entry, gate()).kind == "regressed"
    marked = gate(tolerances={CASE: {"change": 0.2, "resolution": 0.4}})
    verdict = judged(entry, marked)
    assert verdict.kind == "ok"
    assert "Tolerance by the marker perf: change 20.0%, resolution 40.0% (1 case)." in marked.lines()
    assert "  tolerance by the marker perf: change 20.0%, resolution 40.0%" in verdict_lines(verdict, marked, "uv run")
    properties = dict(properties_of(msgspec.structs.replace(FP32, workload="resnet50_v1-b1"), verdict, marked))
    assert properties["perf_tolerance"] == "change 20.0%, resolution 40.0%"


def test_a_mark_on_another_case_changes_nothing() -> None:
    marked = gate(tolerances={"resnet18_v1-b1-mkl-fp32": {"change": 0.2, "resolution": 0.4}})
    assert judged(benchmark(**SLOWER_BY_TEN_PERCENT), marked).kind == "regressed"
