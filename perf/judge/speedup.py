"""Estimate a speedup and its confidence interval from latencies. Pure: no I/O, no other room.

A speedup is a ratio, so all computations are on logarithms: means are geometric, and the inverse of an interval is the
interval of the inverse ratio.

On a shared machine noise only ever adds time, and it slows the native build more than MKL-DNN: for whole minutes of a
session, by half. The median of a session then says how busy the neighbours were. Its fastest slots say what the builds
do when nothing disturbs them (Chen and Revels, "Robust benchmarking in noisy environments", 2016), and they repeat from
session to session (docs/explanation/gate.md). So the speedup is the ratio of the fastest slots of the two variants.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.special import stdtrit

from perf.judge.variance_prior import NO_PRIOR, VariancePrior

# The confidence of the intervals that are shown.
CONFIDENCE = 0.95
# Resamples of the bootstrap: enough to know its standard error to 3 %.
RESAMPLES = 500
# A fixed seed, so that the same session always has the same interval.
SEED = 20190713
# The fastest slots of one invocation, in seconds: the reference's and the variant's.
Floors = tuple[float, float]


@dataclass(frozen=True)
class ObservedRatio:
    """An observed `log_ratio` with its error: `variance` / `invocations` is the square of its standard error. With one
    of `invocations` the variance is unknown.
    """

    log_ratio: float
    variance: float
    invocations: int

    @property
    def degrees(self) -> int:
        """The degrees of freedom of its variance."""
        return self.invocations - 1

    def moderated(self, prior: VariancePrior) -> VariancePrior:
        """Return the squared standard error and its degrees of freedom, with the variance pooled with `prior`."""
        return prior.with_squares(self.degrees * self.variance, self.degrees).divided_by(self.invocations)


@dataclass(frozen=True)
class Estimate:
    """A `speedup` (reference latency over variant latency) from a number of `invocations`, with its 95 % confidence
    interval from `low` to `high`; both are None when the error is unknown.
    """

    speedup: float
    low: float | None
    high: float | None
    invocations: int

    @property
    def half_width(self) -> float:
        """Half the width of the interval on the log scale; infinite without an interval."""
        if self.low is None or self.high is None:
            return math.inf
        return (math.log(self.high) - math.log(self.low)) / 2


def observe(floors: Sequence[Floors]) -> ObservedRatio:
    """Return the log ratio of the fastest slots of a session, from those of each invocation. Raises ValueError without
    invocations.

    The variance comes from a bootstrap over invocations (Efron and Tibshirani, "An Introduction to the Bootstrap",
    1993, chapter 6): it is large if only one invocation reached the fastest pace, since leaving it out moves the ratio.
    """
    if not floors:
        raise ValueError("a speedup of no invocations")
    return _observe(tuple(floors))


@cache
def _observe(floors: tuple[Floors, ...]) -> ObservedRatio:
    logs = np.log(np.array(floors))
    fastest = logs.min(axis=0)
    n = len(floors)
    drawn = np.random.default_rng(SEED).integers(n, size=(RESAMPLES, n))
    resampled = logs[drawn].min(axis=1)
    return ObservedRatio(float(fastest[0] - fastest[1]), float(np.var(resampled[:, 0] - resampled[:, 1])) * n, n)


def estimate_speedup(observed: ObservedRatio, prior: VariancePrior = NO_PRIOR) -> Estimate:
    """Return the speedup with Student's t interval at 95 %. Its variance is moderated by `prior`, which comes from the
    other cases of the run (perf.judge.variance_prior).
    """
    error = observed.moderated(prior)
    speedup = math.exp(observed.log_ratio)
    if not error.degrees:
        return Estimate(speedup, None, None, observed.invocations)
    half = float(stdtrit(error.degrees, (1 + CONFIDENCE) / 2)) * math.sqrt(error.variance)
    return Estimate(
        speedup, math.exp(observed.log_ratio - half), math.exp(observed.log_ratio + half), observed.invocations
    )
