"""How steadily this machine computes, measured by computing: no counter shows what a neighbour on the host takes."""

import os
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np

from perf.machine.state import Finding
from perf.machine.state.model import exceeds, explanation_of

# Doubles that fit into the first-level cache, the second-level cache, and no cache of today's CPUs.
_FIRST_LEVEL, _SECOND_LEVEL, _NO_CACHE = 1 << 10, 1 << 14, 1 << 23
# Repeats that make each loop last about a millisecond, and memory's about ten.
_REPEATS = {"computing": 300, "cache": 60, "memory": 1}


@dataclass(frozen=True)
class Pace:
    """Repeated timings of one loop, on each CPU in turn.

    durations_ns: the duration of each repeat.
    """

    durations_ns: tuple[int, ...]

    @property
    def slowdown(self) -> float:
        """Return the 90th percentile of the durations, relative to the fastest one."""
        return float(np.quantile(self.durations_ns, 0.9)) / min(self.durations_ns)


def watch_pace(window_s: float, cpus: Collection[int] | None = None) -> Mapping[str, Pace]:
    """Time three loops on each of `cpus` in turn (default: all usable ones) for `window_s` seconds, and at least once.

    The loops are bound by computing, by the second-level cache and by memory bandwidth. The thread's CPU mask is
    restored at the end. Raises OSError for a CPU that this process may not use.
    """
    allowed = os.sched_getaffinity(0)
    loops = _loops()
    durations: dict[str, list[int]] = {name: [] for name in loops}
    deadline_s = time.monotonic() + window_s
    try:
        while True:
            for cpu in sorted(cpus or allowed):
                os.sched_setaffinity(0, {cpu})
                for name, loop in loops.items():
                    loop()  # loads its data into the caches
                    started = time.monotonic_ns()
                    loop()
                    durations[name].append(time.monotonic_ns() - started)
            if time.monotonic() >= deadline_s:
                return {name: Pace(tuple(durations_ns)) for name, durations_ns in durations.items()}
    finally:
        os.sched_setaffinity(0, allowed)


def pace_finding(paces: Mapping[str, Pace]) -> Finding:
    """Return what the loops show, as one of the findings of `mxperf doctor`."""
    reading = ", ".join(f"{name} {pace.slowdown:.2f}" for name, pace in paces.items())
    doubtful = exceeds("steady_pace", max(pace.slowdown for pace in paces.values()))
    return Finding(
        check="steady_pace",
        reading=f"{reading} times the fastest",
        verdict="doubtful" if doubtful else "fine",
        explanation=explanation_of("steady_pace"),
        advice="use a dedicated machine, or measure more invocations: speedups come from the fastest slots"
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
