"""What other programs took from a process: pure differences, and two real processes on one CPU."""

import os
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from perf.worker.disturbance import NS_PER_TICK, DisturbanceReading, held_up_ns, read, stolen_ns, stopped_ns

SECOND = 1_000_000_000
BEFORE = DisturbanceReading({"1": (100, 10), "2": (100, 10), "3": (5, 0)}, {"cpu0": 0, "cpu1": 10})


def test_only_the_longest_wait_of_the_working_threads_counts() -> None:
    after = DisturbanceReading({"1": (1100, 10), "2": (700, 410), "3": (5, 900)}, None)
    assert held_up_ns(BEFORE, after, cpus=2) == 400


def test_waiting_for_its_own_threads_is_no_disturbance() -> None:
    after = DisturbanceReading({"1": (1100, 60), "2": (1050, 90), "3": (105, 0)}, None)
    assert held_up_ns(BEFORE, after, cpus=2) == 0


def test_a_thread_that_started_in_between_counts_from_zero() -> None:
    after = DisturbanceReading({"1": (1100, 10), "9": (600, 300)}, None)
    assert held_up_ns(BEFORE, after, cpus=2) == 300


@pytest.mark.parametrize(("seconds", "stopped"), [(1, 0), (2, 0), (3, 2), (31, 30)])
def test_what_keeps_the_busiest_thread_idle_for_most_of_the_time_is_a_stop(seconds: int, stopped: int) -> None:
    """Its busiest thread ran or waited for a second."""
    before = DisturbanceReading({"1": (5, 5), "2": (0, 0)}, None, 7)
    after = DisturbanceReading({"1": (SECOND, 10), "2": (SECOND // 2, 0)}, None, 7 + seconds * SECOND)
    assert stopped_ns(before, after) == stopped * SECOND


def test_a_stop_that_is_shorter_than_the_kernel_counts_is_none() -> None:
    before = DisturbanceReading({"1": (0, 0)}, None, 0)
    assert stopped_ns(before, replace(before, now_ns=2 * NS_PER_TICK)) == 0
    assert stopped_ns(before, replace(before, now_ns=3 * NS_PER_TICK)) == 3 * NS_PER_TICK


def test_the_most_stolen_cpu_counts() -> None:
    assert stolen_ns(BEFORE, DisturbanceReading(None, {"cpu0": 30, "cpu1": 20})) == 30


@pytest.mark.parametrize(
    ("before", "after"), [(BEFORE, DisturbanceReading(None, None)), (DisturbanceReading(None, None), BEFORE)]
)
def test_what_the_kernel_does_not_count_is_unknown(before: DisturbanceReading, after: DisturbanceReading) -> None:
    assert held_up_ns(before, after, cpus=2) is None
    assert stopped_ns(before, after) is None
    assert stolen_ns(before, after) is None


def test_a_process_that_shares_its_cpu_is_held_up() -> None:
    cpus = os.sched_getaffinity(0)
    one = {min(cpus)}
    spin = "import time\nend = time.monotonic() + 20\nwhile time.monotonic() < end: pass"
    os.sched_setaffinity(0, one)
    rival = subprocess.Popen([sys.executable, "-c", spin])  # inherits the mask
    try:
        before, started = read(one), time.monotonic_ns()
        while time.monotonic_ns() - started < 400_000_000:
            pass
        held_up = held_up_ns(before, read(one), cpus=1)
    finally:
        rival.kill()
        rival.wait()
        os.sched_setaffinity(0, cpus)
    assert held_up is not None, "this kernel counts no waiting"
    assert held_up > 40_000_000
