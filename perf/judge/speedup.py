"""From latencies to a speedup with a confidence interval. Pure: no I/O, no other room.

A speedup is a ratio, so everything is done on logarithms: the means are geometric, and an interval turned upside down
is the interval of the inverse ratio.

On a shared machine noise only ever adds, and it adds to the native build what it does not add to MKL-DNN: whole minutes
of a session are slower by half. The middle of a session then says how busy the neighbours were. Its fastest slots say
what the builds do when nothing disturbs them (Chen and Revels, "Robust benchmarking in noisy environments", 2016), and
repeat from session to session (docs/explanation/gate.md). So the speedup is the ratio of the two variants' fastest
slots.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.special import stdtrit

from perf.judge.variance_prior import NO_PRIOR, VariancePrior

CONFIDENCE = 0.95
# Resamples of a bootstrap: its standard error is then known to 3 %.
RESAMPLES = 500
SEED = 20190713
# The fastest slots in seconds of the reference and of the variant, of one invocation.
Floors = tuple[float, float]


@dataclass(frozen=True)
class Observed:
    """A log ratio and what is known of its error: the variance of one invocation's share of it, so that `variance` /
    `invocations` is the square of its standard error. With one invocation nothing is known of it.
    """

    log_ratio: float
    variance: float
    invocations: int

    @property
    def degrees(self) -> int:
        return self.invocations - 1

    def moderated(self, prior: VariancePrior) -> VariancePrior:
        """The squared standard error with what the prior knows of the variance, and its degrees of freedom."""
        return prior.with_squares(self.degrees * self.variance, self.degrees).divided_by(self.invocations)


@dataclass(frozen=True)
class Estimate:
    """A speedup (reference latency over variant latency) and its confidence interval, from so many invocations.

    `low` and `high` are None when nothing is known of the error.
    """

    speedup: float
    low: float | None
    high: float | None
    invocations: int

    @property
    def half_width(self) -> float:
        """Half the interval's width relative to the speedup, on the log scale; infinite without an interval."""
        if self.low is None or self.high is None:
            return math.inf
        return (math.log(self.high) - math.log(self.low)) / 2


def observe(floors: Sequence[Floors]) -> Observed:
    """The log ratio of the fastest slots of a session, from those of each invocation. ValueError when there are none.

    The variance is a bootstrap's over invocations (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993,
    chapter 6): where only one invocation came to the fastest pace, leaving it out moves the ratio.
    """
    if not floors:
        raise ValueError("a speedup of no invocations")
    return _observe(tuple(floors))


@cache
def _observe(floors: tuple[Floors, ...]) -> Observed:
    logs = np.log(np.array(floors))
    fastest = logs.min(axis=0)
    n = len(floors)
    drawn = np.random.default_rng(SEED).integers(n, size=(RESAMPLES, n))
    resampled = logs[drawn].min(axis=1)
    return Observed(float(fastest[0] - fastest[1]), float(np.var(resampled[:, 0] - resampled[:, 1])) * n, n)


def estimate_speedup(observed: Observed, prior: VariancePrior = NO_PRIOR) -> Estimate:
    """The speedup with Student's t interval at 95 %, its variance moderated by `prior`, which is what the run's other
    cases say about it (perf.judge.variance_prior).
    """
    error = observed.moderated(prior)
    speedup = math.exp(observed.log_ratio)
    if not error.degrees:
        return Estimate(speedup, None, None, observed.invocations)
    half = float(stdtrit(error.degrees, (1 + CONFIDENCE) / 2)) * math.sqrt(error.variance)
    return Estimate(
        speedup, math.exp(observed.log_ratio - half), math.exp(observed.log_ratio + half), observed.invocations
    )
