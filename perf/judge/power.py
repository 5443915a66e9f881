"""The power of a measurement: the smallest loss that it would have called. Pure: no I/O, no other room."""

import math
from functools import cache, lru_cache

import numpy as np
from scipy.special import chdtri, ndtri
from scipy.stats.qmc import Sobol

from perf.judge.change import CONFIDENCE, Change
from perf.judge.speedup import SEED
from perf.judge.variance_prior import VariancePrior

# Of a hundred runs with a loss of the size that a verdict states, this share would have called it.
POWER = 0.95
# Draws of another such measurement: what is stated is then known to a hundredth of itself.
LOG2_DRAWS = 11
Draws = np.ndarray[tuple[int], np.dtype[np.float64]]


def smallest_loss(change: Change, kept: VariancePrior, own: int, level: float, log_tolerance: float) -> float | None:
    """The loss, as a share, that another such measurement would call with probability `POWER`: at the confidence
    `level` that anything changed, and at 95 % that it exceeds `log_tolerance`. None when nothing is known of the error
    of this one.

    The other one would estimate its error again: of the last part of it, `kept` would be the same (priors, the
    baseline), and so many degrees of freedom its `own`. So this is a quantile of the predictive distribution, which is
    drawn: the true variance of each part, then estimate and error of the other measurement.
    """
    if not change.known:
        return None
    true = [part.variance * part.degrees / _chi_squares(part.degrees, n) for n, part in enumerate(change.parts)]
    last = change.parts[-1]
    again = np.full(1, last.variance)
    if kept.degrees + own:  # otherwise the last part is not its own
        again = (kept.degrees * kept.variance + true[-1] * (_chi_squares(own, 2) if own else 0.0)) / last.degrees
    wider = np.sqrt(np.maximum(0.0, 1 + (again - last.variance) / change.error**2)) if change.error else np.ones(1)
    called, beyond = change.quantile(level), change.quantile(CONFIDENCE)
    threshold = np.maximum(called * wider, log_tolerance + beyond * wider)
    needed = float(np.quantile(threshold + _normals() * np.sqrt(sum(true)), POWER))
    return -math.expm1(-needed)


@cache
def _draws() -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    """Uniform numbers between 0 and 1, four of each draw, spread evenly; the same each time, so that what is stated is
    smooth in what was measured.
    """
    return np.asarray(Sobol(4, rng=SEED).random_base2(LOG2_DRAWS).T)


@lru_cache
def _chi_squares(degrees: float, which: int) -> Draws:
    return np.asarray(chdtri(degrees, _draws()[which]))


@cache
def _normals() -> Draws:
    return np.asarray(ndtri(_draws()[3]))
