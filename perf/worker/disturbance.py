"""How much other programs and the hypervisor kept this process from running, counted by the kernel."""

import os
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

# The kernel counts stolen time in clock ticks.
NS_PER_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
# A worker that computes was stopped when its busiest thread did nothing for more than this fraction of the time; for
# less, threads wait for each other.
STOPPED_FRACTION = 0.5
# Shorter stops are not counted: the kernel brings the time that a thread ran up to date once a tick.
SHORTEST_STOP_NS = 2 * NS_PER_TICK


@dataclass(frozen=True)
class DisturbanceReading:
    """The kernel's counters at one moment, in ns; None where the kernel does not count.

    threads: by thread, how long it ran and how long it was ready and waited for a CPU (/proc/PID/schedstat; the
        kernel's sched-stats.rst).
    stolen: by CPU, the time that the hypervisor gave to other guests (steal in /proc/stat, proc(5)).
    now_ns: when they were read, in ns of CLOCK_MONOTONIC.
    """

    threads: Mapping[str, tuple[int, int]] | None
    stolen: Mapping[str, int] | None
    now_ns: int = 0


def read(cpus: Collection[int]) -> DisturbanceReading:
    """Return the current counters of this process and of `cpus`."""
    stolen = stolen_in(Path("/proc/stat").read_text(), {f"cpu{cpu}" for cpu in cpus})
    return DisturbanceReading(_threads(), stolen, time.monotonic_ns())


def held_up_ns(before: DisturbanceReading, after: DisturbanceReading, cpus: int) -> int | None:
    """Return how long other programs held up the thread that waited longest, in ns; None where the kernel does not
    count.

    A process also waits for itself: MXNet's main thread and its engine share the CPUs with the OpenMP threads. The
    threads that ran most, one for each of the `cpus`, do the work; the time that the remaining threads ran is
    subtracted.
    """
    if before.threads is None or after.threads is None:
        return None
    deltas = sorted(_deltas(before.threads, after.threads), reverse=True)
    waited = max((waited for _, waited in deltas[:cpus]), default=0)
    return max(0, waited - sum(ran for ran, _ in deltas[cpus:]))


def stopped_ns(before: DisturbanceReading, after: DisturbanceReading) -> int | None:
    """Return how long this process was stopped, by SIGSTOP or with its container, in ns; None where the kernel does not
    count. For a process that computes all the time: nothing else keeps its busiest thread from running and from waiting
    for a CPU. A rank also waits for other ranks.
    """
    if before.threads is None or after.threads is None:
        return None
    duration_ns = after.now_ns - before.now_ns
    idle_ns = duration_ns - max((sum(times) for times in _deltas(before.threads, after.threads)), default=0)
    return idle_ns if idle_ns > max(STOPPED_FRACTION * duration_ns, SHORTEST_STOP_NS) else 0


def stolen_ns(before: DisturbanceReading, after: DisturbanceReading) -> int | None:
    """Return the most time that the hypervisor took from one CPU, in ns; None where the kernel does not count."""
    if before.stolen is None or after.stolen is None:
        return None
    return max((after.stolen[cpu] - before.stolen.get(cpu, 0) for cpu in after.stolen), default=0)


def _deltas(before: Mapping[str, tuple[int, int]], after: Mapping[str, tuple[int, int]]) -> list[tuple[int, int]]:
    """Return how long each thread ran and waited in between."""
    start = {thread: before.get(thread, (0, 0)) for thread in after}
    return [(ran - start[thread][0], waited - start[thread][1]) for thread, (ran, waited) in after.items()]


def _threads() -> dict[str, tuple[int, int]] | None:
    times = {}
    try:
        for path in Path("/proc/self/task").glob("*/schedstat"):
            ran, waited, _ = path.read_text().split()
            times[path.parent.name] = (int(ran), int(waited))
    except (OSError, ValueError):
        return None
    return times or None


def stolen_in(stat: str, cpus: Collection[str]) -> dict[str, int] | None:
    """Return the stolen time of some CPUs, such as "cpu0", in ns, from the text of /proc/stat; None if it has none."""
    lines = [line.split() for line in stat.splitlines()]
    try:
        stolen = {line[0]: int(line[8]) * NS_PER_TICK for line in lines if line and line[0] in cpus and len(line) > 8}  # noqa: PLR2004 - steal is the eighth counter
    except ValueError:
        return None
    return stolen or None
