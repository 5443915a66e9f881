"""The breakdown of a step, and Horovod's timeline."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.dist.step_breakdown import breakdown_of, times_of
from perf.worker.rank.horovod_trace import activities_ns, covered

spans = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda pair: (min(pair), max(pair))))


@given(spans)
def test_time_that_intervals_share_counts_once(intervals: list[tuple[int, int]]) -> None:
    assert covered(intervals) == len({moment for start, end in intervals for moment in range(start, end)})


def test_a_timeline_that_was_not_closed(tmp_path: Path) -> None:
    events = [
        {"name": "process_name", "ph": "M", "pid": 1},
        {"ph": "B", "name": "ALLREDUCE", "ts": 10, "pid": 1},
        {"ph": "B", "name": "MPI_ALLREDUCE", "ts": 12, "pid": 1},
        {"ph": "B", "name": "ALLREDUCE", "ts": 14, "pid": 2},
        {"ph": "E", "ts": 18, "pid": 1},
        {"ph": "E", "ts": 20, "pid": 1},
        {"ph": "E", "ts": 25, "pid": 2},
    ]
    path = tmp_path / "timeline.json"
    path.write_text("[\n" + "".join(f"{json.dumps(event)},\n" for event in events))
    assert activities_ns(path) == {"ALLREDUCE": 15_000, "MPI_ALLREDUCE": 6_000}


def test_the_parts_of_a_step() -> None:
    ranks: list[dict[str, Any]] = [
        {"pairs_ns": [(1000, 800), (1000, 700)], "timeline_ns": {"STEP": 1000, "ALLREDUCE": 300}},
        {"pairs_ns": [(900, 900), (990, 900)], "timeline_ns": {}},
    ]
    breakdown = breakdown_of(ranks)
    assert breakdown.step_s == pytest.approx(1000e-9)
    assert breakdown.slowest_s == pytest.approx(900e-9)
    assert breakdown.compute_s == pytest.approx(825e-9)
    assert breakdown.communication_share == pytest.approx(0.1)
    assert breakdown.waiting_share == pytest.approx(0.075)
    assert breakdown.timeline_s == pytest.approx({"STEP": 1000e-9, "ALLREDUCE": 300e-9})


def test_the_times_of_steps_are_those_of_the_slowest_rank_and_means_over_ranks() -> None:
    ranks: list[dict[str, Any]] = [
        {"pairs_ns": [(1000, 800), (1000, 700)], "parts_ns": [[200, 400, 100, 10], [210, 410, 100, 10]]},
        {"pairs_ns": [(900, 900), (990, 900)], "parts_ns": [[220, 440, 120, 30], [220, 440, 120, 30]]},
    ]
    times = times_of(ranks)
    assert times.whole_ns == (1000, 1000)
    assert times.slowest_ns == (900, 900)
    assert times.alone_ns == (850, 800)
    assert times.parts_ns == ((210, 420, 110), (215, 425, 110))
    assert times.overhead_ns == (20, 20)
