"""The timed loops. Nothing here knows MXNet: a pass is a function that returns when its result is available."""

import gc
import select
import time
from collections.abc import Callable
from typing import TextIO

# The pace is steady after this many passes that improve on the best by no more than this fraction.
IMPROVEMENT = 0.02
PASSES_WITHOUT_IMPROVEMENT = 2
# The sleep before the start ends this early; the rest is spent spinning, so that all instances start within
# microseconds.
SPIN_NS = 1_000_000
# How long an instance with enough passes waits for the request to stop, before it continues as load for the rest.
STOP_WAIT_S = 0.002


def warm_up(one_pass: Callable[[], None], limit_ns: int) -> tuple[list[int], bool]:
    """Run passes until the pace is steady or `limit_ns` is over, at least one. Return their durations in ns, and
    whether the pace is steady.
    """
    durations: list[int] = []
    started = time.monotonic_ns()
    stalled = 0
    while True:
        before = time.monotonic_ns()
        one_pass()
        after = time.monotonic_ns()
        improved = not durations or after - before < min(durations) * (1 - IMPROVEMENT)
        durations.append(after - before)
        stalled = 0 if improved else stalled + 1
        if stalled >= PASSES_WITHOUT_IMPROVEMENT:
            return durations, True
        if after - started >= limit_ns:
            return durations, False


def timed_passes(
    one_pass: Callable[[], None],
    *,
    start_at_ns: int,
    min_passes: int,
    min_duration_ns: int,
    hold: "Hold | None" = None,
) -> list[tuple[int, int]]:
    """Start at `start_at_ns` (CLOCK_MONOTONIC, the same for all processes) and time passes until there are enough.

    With `hold`, continue as load for the other instances until these have enough too. Returns (start, end) of each pass
    in ns on that clock. The garbage collector is off meanwhile: its pauses are Python's, not the program's.
    """
    time.sleep(max(0, start_at_ns - time.monotonic_ns() - SPIN_NS) / 1e9)
    while time.monotonic_ns() < start_at_ns:
        pass
    passes: list[tuple[int, int]] = []
    first = time.monotonic_ns()
    gc.disable()
    try:
        while True:
            before = time.monotonic_ns()
            one_pass()
            after = time.monotonic_ns()
            passes.append((before, after))
            if len(passes) >= min_passes and after - first >= min_duration_ns and (hold is None or hold.released()):
                return passes
    finally:
        gc.enable()


class Hold:
    """Reports to the measuring process that this instance has enough passes, and asks whether it may stop."""

    def __init__(self, requests: TextIO, announce: Callable[[], None]) -> None:
        self._requests = requests
        self._announce = announce
        self._announced = False

    def released(self) -> bool:
        """Return whether the request to stop has arrived. The first call announces; none blocks for more than
        `STOP_WAIT_S`.
        """
        wait_s = 0.0
        if not self._announced:
            self._announce()
            self._announced = True
            wait_s = STOP_WAIT_S
        ready, _, _ = select.select([self._requests], [], [], wait_s)
        if ready:
            self._requests.readline()
        return bool(ready)
