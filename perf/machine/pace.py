"""How steady this machine computes, seen by doing it: what a neighbour on the same host takes, no counter shows."""

import os
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np

from perf.machine.state import Finding
from perf.machine.state.model import state_limits

# Doubles that fit into the first-level cache, the second-level cache, and no cache of today's CPUs.
_FIRST_LEVEL, _SECOND_LEVEL, _NO_CACHE = 1 << 10, 1 << 14, 1 << 23
# Repeats that make each loop last about a millisecond, and memory's about ten.
_REPEATS = {"computing": 300, "cache": 60, "memory": 1}


@dataclass(frozen=True)
class Pace:
    """Durations in ns of one loop, over and over, on CPUs in turn."""

    durations_ns: tuple[int, ...]

    @property
    def slowdown(self) -> float:
        """How many times longer than the fastest one the slowest tenth took, at least."""
        return float(np.quantile(self.durations_ns, 0.9)) / min(self.durations_ns)


def watch_pace(window_s: float, cpus: Collection[int] | None = None) -> Mapping[str, Pace]:
    """Run three loops, bound by computing, by the second-level cache and by memory bandwidth, on each CPU in turn for
    `window_s` seconds; once each at least. This thread ends on the CPUs it began on.
    """
    allowed = os.sched_getaffinity(0)
    loops = _loops()
    durations: dict[str, list[int]] = {name: [] for name in loops}
    ends = time.monotonic() + window_s
    try:
        while True:
            for cpu in sorted(cpus or allowed):
                os.sched_setaffinity(0, {cpu})
                for name, loop in loops.items():
                    loop()  # the caches hold its data afterwards
                    started = time.monotonic_ns()
                    loop()
                    durations[name].append(time.monotonic_ns() - started)
            if time.monotonic() >= ends:
                return {name: Pace(tuple(found)) for name, found in durations.items()}
    finally:
        os.sched_setaffinity(0, allowed)


def pace_finding(paces: Mapping[str, Pace]) -> Finding:
    """What the loops say of the machine, as one of the doctor's findings."""
    reading = ", ".join(f"{name} {pace.slowdown:.2f}" for name, pace in paces.items())
    doubtful = max(pace.slowdown for pace in paces.values()) > state_limits().pace_slowdown
    return Finding(
        check="steady_pace",
        reading=f"{reading} times the fastest",
        verdict="doubtful" if doubtful else "fine",
        explanation="Short loops, and how much longer than the fastest the slowest tenth of them took. Neighbours on "
        "the same host slow a virtual machine without any counter of its kernel showing it.",
        advice="use a machine of its own, or measure more invocations: speedups are those of the fastest slots"
        if doubtful
        else None,
    )


def _loops() -> Mapping[str, Callable[[], None]]:
    first, second, none = (np.full(size, 1.5) for size in (_FIRST_LEVEL, _SECOND_LEVEL, _NO_CACHE))
    out = [np.empty_like(values) for values in (first, second, none)]

    def computing() -> None:
        for _ in range(_REPEATS["computing"]):
            np.sqrt(first, out=out[0])

    def cache() -> None:
        for _ in range(_REPEATS["cache"]):
            np.add(second, 1.0, out=out[1])

    def memory() -> None:
        for _ in range(_REPEATS["memory"]):
            np.copyto(out[2], none)

    return {"computing": computing, "cache": cache, "memory": memory}
