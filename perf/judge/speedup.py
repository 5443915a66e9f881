"""From paired latencies to a speedup with a confidence interval. Pure: no I/O, no other room.

A speedup is a ratio, so everything is done on logarithms: the means are geometric, and an interval turned upside down
is the interval of the inverse ratio.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import stdtrit

from perf.judge.spread import NO_PRIOR, Spread, sum_of_squares
from perf.judge.statistics import median

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A speedup (reference latency over variant latency) and its confidence interval.

    `low` and `high` are None when one observation allows no interval. `level` says what was repeated:
    "invocations" (fresh processes) or, when there was just one, the "blocks" within it, which know nothing of the
    variance between processes.
    """

    speedup: float
    low: float | None
    high: float | None
    level: str
    observations: int

    @property
    def half_width(self) -> float:
        """Half the interval's width relative to the speedup, on the log scale; infinite without an interval."""
        if self.low is None or self.high is None:
            return math.inf
        return (math.log(self.high) - math.log(self.low)) / 2


def estimate_speedup(log_ratios: Sequence[Sequence[float]], prior: Spread = NO_PRIOR) -> Estimate:
    """The speedup from log latency ratios, one list of blocks for each invocation.

    Each invocation's median over its blocks is one observation: blocks of one invocation share their processes' memory
    layout and are not independent, and a block in which another program woke up under one variant only says nothing
    about the variants. The interval is Student's t at 95 % over those medians (Kalibera & Jones, "Rigorous Benchmarking
    in Reasonable Time", 2013, section 6: repeat at the highest level that varies), its variance moderated by `prior`,
    what the run's other cases say about it (perf.judge.spread). It assumes that observations are exchangeable and near
    normal. A single invocation without a prior falls back to its blocks. ValueError when there is no block.
    """
    invocations = [list(blocks) for blocks in log_ratios if blocks]
    if not invocations:
        raise ValueError("a speedup of no blocks")
    if len(invocations) > 1 or prior.degrees:
        level, observations = "invocations", [median(blocks) for blocks in invocations]
    else:
        level, observations = "blocks", invocations[0]
    n = len(observations)
    mean = sum(observations) / n
    degrees = prior.degrees + n - 1 if level == "invocations" else n - 1
    if not degrees:
        return Estimate(math.exp(mean), None, None, level, 1)
    squares = sum_of_squares(observations) + (prior.degrees * prior.variance if level == "invocations" else 0.0)
    half = float(stdtrit(degrees, (1 + CONFIDENCE) / 2)) * math.sqrt(squares / degrees / n)
    return Estimate(math.exp(mean), math.exp(mean - half), math.exp(mean + half), level, n)
