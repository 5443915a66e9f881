"""The machine's pace: what is unsteady is doubtful, and watching it leaves everything as it was."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.machine.pace import Pace, pace_finding, watch_pace

LOOPS = {"computing", "cache", "memory"}
DURATIONS = st.lists(st.integers(1, 10**9), min_size=1, max_size=50)
STEADY = Pace((100,) * 20)


@pytest.mark.parametrize(
    ("durations_ns", "slowdown"),
    [((100,), 1.0), ((100,) * 20, 1.0), ((100,) * 9 + (300,), 1.2), ((200, 100), 1.9), ((*range(100, 201),), 1.9)],
)
def test_the_slowdown_is_that_of_the_slowest_tenth(durations_ns: tuple[int, ...], slowdown: float) -> None:
    assert Pace(durations_ns).slowdown == pytest.approx(slowdown)


@given(DURATIONS)
def test_the_slowdown_is_between_one_and_that_of_the_slowest_loop(durations_ns: list[int]) -> None:
    slowdown = Pace(tuple(durations_ns)).slowdown
    assert 1 <= slowdown <= max(durations_ns) / min(durations_ns) * (1 + 1e-12)


@given(DURATIONS, st.integers(2, 1000))
def test_a_slower_cpu_has_the_same_slowdown(durations_ns: list[int], scale: int) -> None:
    slower = Pace(tuple(scale * duration for duration in durations_ns))
    assert slower.slowdown == pytest.approx(Pace(tuple(durations_ns)).slowdown)


@pytest.mark.parametrize("unsteady", sorted(LOOPS))
def test_one_unsteady_loop_is_doubtful(unsteady: str) -> None:
    paces = {**dict.fromkeys(sorted(LOOPS), STEADY), unsteady: Pace((100, 200))}
    finding = pace_finding(paces)
    assert (finding.check, finding.verdict) == ("steady_pace", "doubtful")
    assert f"{unsteady} 1.90" in (finding.reading or "")
    assert "use a dedicated machine" in (finding.advice or "")


def test_a_steady_pace_is_fine_and_has_no_advice() -> None:
    finding = pace_finding({"computing": STEADY, "memory": Pace((100,) * 9 + (150,))})
    assert (finding.verdict, finding.advice) == ("fine", None)
    assert finding.reading == "computing 1.00, memory 1.05 times the fastest"


def test_a_slowdown_at_the_threshold_is_fine() -> None:
    for slowest, verdict in ((115, "fine"), (116, "doubtful")):
        assert pace_finding({"cache": Pace((100, *[slowest] * 100))}).verdict == verdict


def test_every_loop_runs_on_every_cpu_at_least_once_and_the_mask_is_restored() -> None:
    allowed = os.sched_getaffinity(0)
    paces = watch_pace(0)
    assert os.sched_getaffinity(0) == allowed
    assert set(paces) == LOOPS
    for pace in paces.values():
        assert len(pace.durations_ns) == len(allowed)
        assert min(pace.durations_ns) > 0


def test_a_single_cpu_can_be_watched() -> None:
    cpu = min(os.sched_getaffinity(0))
    assert {len(pace.durations_ns) for pace in watch_pace(0, [cpu]).values()} == {1}


def test_a_missing_cpu_leaves_the_threads_mask_unchanged() -> None:
    allowed = os.sched_getaffinity(0)
    with pytest.raises(OSError, match="Invalid argument"):
        watch_pace(0, [10**5])
    assert os.sched_getaffinity(0) == allowed
