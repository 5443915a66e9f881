"""Handing measured samples to pytest-benchmark through its public API."""

from collections.abc import Sequence
from typing import Any

NS_PER_S = 1e9


class ReplayClock:
    """A timer for `@pytest.mark.benchmark(timer=clock)` that shows, in seconds, the sum of the passes replayed so far.

    pytest-benchmark reads it before and after each call of the target, so every round is one measured pass, exact to
    float rounding.
    """

    def __init__(self) -> None:
        self._now_ns = 0

    def __call__(self) -> float:
        return self._now_ns / NS_PER_S

    def replay(self, benchmark: Any, passes_ns: Sequence[int]) -> None:
        """Let `benchmark` record the given pass durations (ns), one round each."""
        durations = iter(passes_ns)
        self._now_ns = 0  # small readings keep all the digits of short passes

        def one_pass() -> None:
            self._now_ns += next(durations)

        benchmark.pedantic(one_pass, rounds=len(passes_ns), iterations=1, warmup_rounds=0)


clock = ReplayClock()
