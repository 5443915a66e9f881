"""Sessions of a bisection: what is read from their output, and the runs that are not measured again."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from perf.bisection.session import FIRST, Measured, Sessions, failure_in, find_item
from perf.bisection.state import Wheel
from perf.errors import PerfError
from tests.support.factories import benchmark, document, measured_side_by_side, stack
from tests.unit.bisection.test_state import BASE

SECOND = stack(wheel="d" * 64, requirement="/a/x.whl")
WORKLOAD = "resnet18_v1-b1"


def written(path: Path, *entries: dict[str, Any], **context: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document(*entries, **context)))


def second(**fields: Any) -> dict[str, Any]:
    return benchmark(WORKLOAD, stack={**SECOND, **fields}, beside=measured_side_by_side(0.0, 0.01, 0.02))


@pytest.fixture
def sessions(tmp_path: Path) -> Sessions:
    """Sessions of a bisection whose first wheel is measured already."""
    written(tmp_path / FIRST, benchmark(WORKLOAD))
    return Sessions(tmp_path, BASE)


@pytest.fixture
def none_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    def starts(*_: object, **__: object) -> None:
        raise AssertionError("a session was started")

    monkeypatch.setattr("subprocess.run", starts)


@pytest.mark.usefixtures("none_starts")
def test_a_run_that_is_stored_is_not_measured_again(sessions: Sessions) -> None:
    written(sessions.folder / "runs" / "wheel-001-session-1.json", second())
    assert list(sessions.first().cases) == [BASE.case]
    measured = sessions.measured(1, 1)
    assert measured.case is not None
    assert measured.case.side_by_side is not None
    assert measured.case.side_by_side.values == [0.0, 0.01, 0.02]


@pytest.mark.parametrize("content", ["", "{", '{"perf": null}', json.dumps(document(second(), complete=False))])
def test_a_run_that_is_not_complete_is_measured_again(sessions: Sessions, none_starts: None, content: str) -> None:
    assert none_starts is None
    path = sessions.folder / "runs" / "wheel-001-session-1.json"
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(AssertionError, match="a session was started"):
        sessions.measured(1, 1)


@pytest.mark.usefixtures("none_starts")
def test_a_case_that_was_left_out_leaves_the_wheel_undecided(sessions: Sessions) -> None:
    path = sessions.folder / "runs" / "wheel-001-session-1.json"
    written(path, benchmark("x-b1"), left_out={BASE.item: "wrong answers"})
    measured = sessions.measured(1, 1)
    assert (measured.case, measured.problem) == (None, "wrong answers")
    assert Measured().case is None


@pytest.mark.usefixtures("none_starts")
def test_a_case_that_does_not_run_the_wheels_is_refused(sessions: Sessions) -> None:
    written(sessions.folder / "runs" / "wheel-001-session-1.json", second(requirement="mxnet-mkl==1.5.0"))
    with pytest.raises(PerfError, match=r"it runs mxnet-mkl==1\.5\.0, and not what --role=mkl puts in its place"):
        sessions.measured(1, 1)


@pytest.mark.usefixtures("none_starts")
def test_a_wheel_that_was_moved_is_the_same(sessions: Sessions) -> None:
    wheels = [BASE.wheels[0], Wheel("./x.whl", "/b/x.whl", "b" * 64)]
    written(sessions.folder / "runs" / "wheel-001-session-1.json", second())
    assert Sessions(sessions.folder, msgspec.structs.replace(BASE, wheels=wheels)).measured(1, 1).case is not None


def test_the_command_measures_side_by_side_with_the_first_wheel(sessions: Sessions) -> None:
    assert sessions.command(1).endswith(
        f"run pytest '{BASE.item}' --perf-tier=quick --perf-threads=1 --perf-build=mkl=/a/x.whl "
        f"--benchmark-storage=file://{sessions.folder}/first --benchmark-compare=0001"
    )


@pytest.mark.parametrize(
    "option", ["--benchmark-compare", "--perf-tier=smoke", "--perf-inject=mkl-fp32=5", "--perf-resume"]
)
def test_options_that_a_bisection_sets_are_refused(none_starts: None, option: str) -> None:
    assert none_starts is None
    with pytest.raises(PerfError, match=f"the option {option} is set by the bisection"):
        find_item(BASE.case, "quick", ["-q", option])


LOG = f"""
=================================== FAILURES ===================================
___________________ test_inference[{BASE.case}] ____________________
{WORKLOAD} mkl-fp32: the worker died
last lines of the worker:
"""


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (LOG, f"{WORKLOAD} mkl-fp32: the worker died"),
        (LOG.replace("test_inference[", "ERROR at setup of test_inference["), f"{WORKLOAD} mkl-fp32: the worker died"),
        ("SKIPPED [1] perf/dist/test_scaling.py:20: not run: no compiler\n", "not run: no compiler"),
        ("no tests ran", "its test stored no run"),
    ],
)
def test_the_reason_of_a_failed_test_is_read_from_the_log(log: str, reason: str) -> None:
    assert failure_in(log, BASE.case) == reason
