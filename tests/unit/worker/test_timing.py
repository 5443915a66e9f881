"""The timed loops, with passes that really take their time."""

import gc
import os
import time
from collections.abc import Callable

import pytest

from perf.worker.timing import Hold, timed_passes, warm_up

MS = 1_000_000


def taking(*durations_ms: float) -> Callable[[], None]:
    """A pass that takes as long as the next of the durations; the last one is kept."""
    waiting = list(durations_ms)
    return lambda: time.sleep((waiting.pop(0) if len(waiting) > 1 else waiting[0]) / 1e3)


def test_warm_up_ends_when_two_passes_in_a_row_are_no_better() -> None:
    durations, steady = warm_up(taking(200, 1, 100), limit_ns=60_000 * MS)
    assert steady
    assert len(durations) == 4


def test_warm_up_ends_at_the_limit_while_passes_improve() -> None:
    durations, steady = warm_up(taking(80, 40, 20), limit_ns=100 * MS)
    assert not steady
    assert sum(durations[:-1]) < 100 * MS


def test_warm_up_has_at_least_one_pass() -> None:
    durations, steady = warm_up(taking(1), limit_ns=0)
    assert (len(durations), steady) == (1, False)


def test_passes_are_timed_one_after_the_other_from_the_start() -> None:
    start = time.monotonic_ns() + 30 * MS
    passes = timed_passes(taking(1), start_at_ns=start, min_passes=5, min_duration_ns=0)
    assert len(passes) == 5
    moments = [moment for one in passes for moment in one]
    assert moments == sorted(moments)
    assert moments[0] >= start
    assert all(end - begin >= 1 * MS for begin, end in passes)


def test_passes_continue_for_the_shortest_duration() -> None:
    passes = timed_passes(taking(5), start_at_ns=0, min_passes=1, min_duration_ns=40 * MS)
    assert passes[-1][1] - passes[0][0] >= 39 * MS
    assert passes[-2][1] - passes[0][0] < 41 * MS


def test_garbage_collector_is_off_meanwhile_and_on_again_after_a_failure() -> None:
    seen: list[bool] = []

    def broken() -> None:
        seen.append(gc.isenabled())
        raise OSError

    with pytest.raises(OSError):  # noqa: PT011 - raised three lines above
        timed_passes(broken, start_at_ns=0, min_passes=1, min_duration_ns=0)
    assert seen == [False]
    assert gc.isenabled()


def test_held_passes_continue_until_the_request_to_stop() -> None:
    reading, writing = os.pipe()
    announced: list[int] = []
    passes_run = 0

    def one_pass() -> None:
        nonlocal passes_run
        passes_run += 1
        if passes_run == 5:
            os.write(writing, b'{"do": "stop"}\n')

    with os.fdopen(reading) as requests, os.fdopen(writing, "w"):
        hold = Hold(requests, lambda: announced.append(passes_run))
        passes = timed_passes(one_pass, start_at_ns=0, min_passes=2, min_duration_ns=0, hold=hold)
    assert len(passes) == 5
    assert announced == [2]


def test_a_hold_ends_when_the_pipe_is_closed() -> None:
    reading, writing = os.pipe()
    os.close(writing)
    with os.fdopen(reading) as requests:
        assert Hold(requests, lambda: None).released()
