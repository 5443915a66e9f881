"""The power of a measurement: the smallest loss that it would detect. Pure: no I/O, no other room."""

import math
from functools import cache, lru_cache

import numpy as np
import scipy
from scipy.special import chdtri, ndtri

from perf.judge.change import CONFIDENCE, Change
from perf.judge.speedup import SEED
from perf.judge.variance_prior import VariancePrior

# The fraction of runs that would detect a loss of the size that a verdict states.
POWER = 0.95
# log2 of the number of draws: enough to state a loss to one hundredth of itself.
LOG2_DRAWS = 11
Draws = np.ndarray[tuple[int], np.dtype[np.float64]]


def smallest_loss(change: Change, kept: VariancePrior, own: int, level: float, log_tolerance: float) -> float | None:
    """Return the loss, as a fraction, that another such measurement would detect with probability `POWER`: with
    confidence `level` that anything changed, and 95 % that the change exceeds `log_tolerance`. None when the error of
    `change` is unknown.

    The other measurement would estimate its error again. In the last part of the error, `kept` would stay the same
    (priors and the baseline), and `own` degrees of freedom would be measured again. So the result is a quantile of the
    predictive distribution, which is sampled: the true variance of each part, then estimate and error of the other
    measurement.
    """
    if not change.known:
        return None
    true = [part.variance * part.degrees / _chi_squares(part.degrees, n) for n, part in enumerate(change.parts)]
    last = change.parts[-1]
    again = np.full(1, last.variance)
    if kept.degrees + own:  # otherwise nothing of the last part is measured again
        again = (kept.degrees * kept.variance + true[-1] * (_chi_squares(own, 2) if own else 0.0)) / last.degrees
    wider = np.sqrt(np.maximum(0.0, 1 + (again - last.variance) / change.error**2)) if change.error else np.ones(1)
    called, beyond = change.quantile(level), change.quantile(CONFIDENCE)
    threshold = np.maximum(called * wider, log_tolerance + beyond * wider)
    needed = float(np.quantile(threshold + _normals() * np.sqrt(sum(true)), POWER))
    return -math.expm1(-needed)


@cache
def _draws() -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    """Return four uniform numbers between 0 and 1 for each draw, evenly spaced (Sobol). They are the same each time, so
    that the stated loss is a smooth function of the measurement.
    """
    return np.asarray(scipy.stats.qmc.Sobol(4, rng=SEED).random_base2(LOG2_DRAWS).T)


@lru_cache
def _chi_squares(degrees: float, which: int) -> Draws:
    return np.asarray(chdtri(degrees, _draws()[which]))


@cache
def _normals() -> Draws:
    return np.asarray(ndtri(_draws()[3]))
