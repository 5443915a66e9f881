"""How much other programs and the hypervisor kept this process from running, counted by the kernel."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

# The kernel counts stolen time in clock ticks.
NS_PER_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class DisturbanceReading:
    """The kernel's counters at one moment, in ns; None where the kernel does not count.

    threads: by thread, how long it ran and how long it was ready and waited for a CPU (/proc/PID/schedstat; the
        kernel's sched-stats.rst).
    stolen: by CPU, the time that the hypervisor gave to other guests (steal in /proc/stat, proc(5)).
    """

    threads: Mapping[str, tuple[int, int]] | None
    stolen: Mapping[str, int] | None


def read(cpus: Collection[int]) -> DisturbanceReading:
    """Return the current counters of this process and of `cpus`."""
    return DisturbanceReading(_threads(), stolen_in(Path("/proc/stat").read_text(), {f"cpu{cpu}" for cpu in cpus}))


def held_up_ns(before: DisturbanceReading, after: DisturbanceReading, cpus: int) -> int | None:
    """Return how long other programs held up the thread that waited longest, in ns; None where the kernel does not
    count.

    A process also waits for itself: MXNet's main thread and its engine share the CPUs with the OpenMP threads. The
    threads that ran most, one for each of the `cpus`, do the work; the time that the remaining threads ran is
    subtracted.
    """
    if before.threads is None or after.threads is None:
        return None
    deltas = [
        (ran - before.threads.get(thread, (0, 0))[0], waited - before.threads.get(thread, (0, 0))[1])
        for thread, (ran, waited) in after.threads.items()
    ]
    deltas.sort(reverse=True)
    waited = max((waited for _, waited in deltas[:cpus]), default=0)
    return max(0, waited - sum(ran for ran, _ in deltas[cpus:]))


def stolen_ns(before: DisturbanceReading, after: DisturbanceReading) -> int | None:
    """Return the most time that the hypervisor took from one CPU, in ns; None where the kernel does not count."""
    if before.stolen is None or after.stolen is None:
        return None
    return max((after.stolen[cpu] - before.stolen.get(cpu, 0) for cpu in after.stolen), default=0)


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
