"""Regressions of series by nights on a level, the speed of the machine, and a change that is tried. Pure.

A night's log ratio is normal around the series' level, and its variance is known up to a scale that all nights of the
series have in common. The scale is pooled with a prior (Smyth, "Linear models and empirical Bayes methods for assessing
differential expression in microarray experiments", 2004). Where ratios follow the speed of the machine, the slope is
fitted too: what the machine explains is no change of a build.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtri

from perf.judge.variance_prior import VariancePrior

# A night that lies further beyond both its neighbours than this number of standard deviations is moved back to there.
# That happens to three flat nights in a thousand (normal, simulated). In 98 of 100 cases it keeps a single odd night,
# however far off, from being a step.
ODD = 3.0
# The median of chi-squared with one degree of freedom: that of the square of a normal value.
_MEDIAN_CHI_SQUARE = float(chdtri(1, 0.5))
# By how much a log ratio follows the log latency of its reference, from one state of the machine to another: the
# standard deviation of the slopes. Those of 26 stored ratios over seven sessions have a root mean square of 0.08, with
# their errors (docs/explanation/history.md). On a machine whose speed hardly changes, a slope explains next to nothing.
SLOPE = 0.1
# A candidate is not tried if the machine explains all but this fraction of its shape.
_DISTINCT = 1e-6

Matrix = np.ndarray[tuple[int, int], np.dtype[np.float64]]


@dataclass(frozen=True)
class Observed:
    """Series by nights: the log ratios (`values`), their expected `variances`, and the log latencies of the reference,
    which show how fast the `machine` was; None if the ratios do not depend on it, or it is not known.
    """

    values: Matrix
    variances: Matrix
    machine: Matrix | None = None

    @classmethod
    def of(
        cls, values: Sequence[float], variances: Sequence[float], machine: Sequence[float] | None = None
    ) -> "Observed":
        """Return a single series."""
        known = None if machine is None else np.asarray([machine], float)
        return cls(np.asarray([values], float), np.asarray([variances], float), known)

    @property
    def nights(self) -> int:
        """The number of nights."""
        return self.values.shape[1]

    def part(self, first: int, end: int) -> "Observed":
        """Return the nights from `first` until before `end`."""
        part = (slice(None), slice(first, end))
        return Observed(self.values[part], self.variances[part], None if self.machine is None else self.machine[part])


def without_odd_nights(values: Matrix, variances: Matrix, scale: VariancePrior) -> Matrix:
    """Return the series (by nights) with nights moved that differ from both neighbours by more than `ODD` standard
    deviations; the neighbours of the last night are the two before it. The first night stays: it may be an anchor.

    The standard deviation is the larger one of the prior's and the series' own, from the median difference of
    successive nights. A smaller one would smooth a noisy series, which then looks as if it stepped.
    """
    if values.shape[1] < 3:  # noqa: PLR2004 - the last night and its neighbours
        return values
    after = np.concatenate([values[:, 2:], values[:, -3:-2]], axis=1)
    neighbours = np.stack([values[:, :-1], after])
    squares = np.diff(values) ** 2 / (variances[:, 1:] + variances[:, :-1])
    own = np.median(squares, axis=1, keepdims=True) / _MEDIAN_CHI_SQUARE
    far = ODD * np.sqrt(np.maximum(scale.variance, own) * variances[:, 1:])
    moved = np.clip(values[:, 1:], neighbours.min(axis=0) - far, neighbours.max(axis=0) + far)
    return np.concatenate([values[:, :1], moved], axis=1)


def scale_of(values: Sequence[float], variances: Sequence[float]) -> tuple[float, float]:
    """Return the scale of a series' variances with its degrees of freedom, from the differences of successive nights:
    a step or a creep hardly changes it (von Neumann, "Distribution of the ratio of the mean square successive
    difference to the variance", 1941). (0, 0) for one night or none.
    """
    if len(values) < 2:  # noqa: PLR2004 - one difference
        return 0.0, 0.0
    y, v = np.asarray(values, float), np.asarray(variances, float)
    count = len(y) - 1
    # Neighbouring differences have a night in common: they count for about two thirds of their number.
    return float(np.mean(np.diff(y) ** 2 / (v[1:] + v[:-1]))), 2 * count**2 / (3 * count - 1)


def degrees_of(observed: Observed, scale: VariancePrior) -> float:
    """Return the degrees of freedom of the statistics: a level, a change and, if known, the machine are fitted."""
    return scale.degrees + observed.nights - 2 - (observed.machine is not None)


def _centred(rows: Matrix, weights: Matrix) -> Matrix:
    return np.asarray(rows - (weights * rows).sum(axis=1, keepdims=True) / weights.sum(axis=1, keepdims=True))


def statistics_of(observed: Observed, scale: VariancePrior, shapes: Matrix) -> Matrix:
    """Return the t statistics (series by candidates) of regressions on a level, the machine and one of the `shapes`.

    A slope with a normal prior of variance `SLOPE`**2 is the same as a covariance of the nights, `SLOPE`**2 times the
    product of their machine's deviations (Rasmussen and Williams, "Gaussian processes for machine learning", 2006,
    section 2.7); its inverse is that of Sherman and Morrison (1950).
    """
    weights = 1 / observed.variances
    y = _centred(without_odd_nights(observed.values, observed.variances, scale), weights)
    along = weights @ shapes.T
    xx = weights @ (shapes**2).T - along**2 / weights.sum(axis=1, keepdims=True)
    xy = (weights * y) @ shapes.T
    yy = (weights * y**2).sum(axis=1, keepdims=True)
    if observed.machine is not None:
        z = _centred(observed.machine, weights)
        zz = (weights * z**2).sum(axis=1, keepdims=True) + SLOPE**-2
        zx, zy = (weights * z) @ shapes.T, (weights * z * y).sum(axis=1, keepdims=True)
        xx, least = xx - zx**2 / zz, _DISTINCT * xx
        xy, yy = np.where(xx > least, xy - zx * zy / zz, 0.0), yy - zy**2 / zz
        xx = np.maximum(xx, least)
    squares = yy - xy**2 / xx
    variance = (scale.degrees * scale.variance + np.maximum(squares, 0.0)) / degrees_of(observed, scale)
    return np.asarray(xy / np.sqrt(xx * variance))
