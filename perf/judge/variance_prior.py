"""Estimate the variance of a case's speedup between invocations with the help of the other cases of its run. Pure.

Three invocations of a case say little about its variance. But the cases of a run are measured by the same workers on
the same machine; together they show how large such a variance is, and how much it differs between cases. This is the
empirical-Bayes variance of Smyth, "Linear Models and Empirical Bayes Methods for Assessing Differential Expression",
2004, sections 3 and 6.2 ("moderated t", the R package limma).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scipy.optimize import brentq
from scipy.special import digamma, polygamma

# The most degrees of freedom that a prior counts for, however alike the variances of the cases are: a case whose
# workers behave unlike all the rest must be able to show it.
MAX_DEGREES = 10.0
# The least degrees of freedom: with fewer, quantiles are too far out to be useful.
MIN_DEGREES = 1.0
# Log speedups are stored with six digits: a smaller variance is the rounding of equal values.
_SMALLEST_VARIANCE = 1e-18
# The range in which degrees of freedom are searched for.
_SMALLEST_DEGREES, _LARGEST_DEGREES = 1e-3, 1e6


@dataclass(frozen=True)
class VariancePrior:
    """The prior of a variance of log speedups: the `variance`, and the `degrees` of freedom that it counts for."""

    variance: float
    degrees: float

    def with_squares(self, squares: float, degrees: float) -> "VariancePrior":
        """Return it pooled with a sum of squared deviations that has `degrees` degrees of freedom."""
        total = self.degrees + degrees
        return VariancePrior((self.degrees * self.variance + squares) / total, total) if total else self

    def divided_by(self, count: float) -> "VariancePrior":
        """Return the prior of the variance of a mean of `count` values."""
        return VariancePrior(self.variance / count, self.degrees)


# Nothing is known of the variance.
NO_PRIOR = VariancePrior(0.0, 0.0)
# With fewer samples than this, a prior cannot be estimated from them alone.
FEW = 6


def prior_of(variances: Iterable[tuple[float, float]], default: VariancePrior) -> VariancePrior:
    """Return the prior from variances of one kind of measurement, each with its degrees of freedom. With fewer than
    `FEW` of them it has the larger variance of theirs and `default`: few variances widen the default, and never narrow
    it.
    """
    known = [(variance, degrees) for variance, degrees in variances if variance > _SMALLEST_VARIANCE and degrees > 0]
    fitted = fit_variances(known)
    if len(known) >= FEW and fitted.degrees:
        return fitted
    return VariancePrior(max(fitted.variance, default.variance), default.degrees)


def variance_of(values: Sequence[float]) -> tuple[float, float]:
    """Return the variance of values and its degrees of freedom; (0, 0) for one value or none."""
    degrees = len(values) - 1
    return (sum_of_squares(values) / degrees, degrees) if degrees > 0 else (0.0, 0.0)


def sum_of_squares(values: Sequence[float]) -> float:
    """Return the sum of squared deviations from the mean; 0 for one value or none."""
    if not values:
        return 0.0
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values)


def fit_prior(samples: Iterable[Sequence[float]]) -> VariancePrior:
    """Return the prior from samples, one list of log ratios for each case. Samples without variance, such as a single
    invocation, are ignored. NO_PRIOR with fewer than two other samples.
    """
    return fit_variances(
        (sum_of_squares(sample) / (len(sample) - 1), len(sample) - 1) for sample in samples if sample[1:]
    )


def fit_variances(variances: Iterable[tuple[float, float]]) -> VariancePrior:
    """Return the prior from variances, each with its degrees of freedom, by the rules of `fit_prior`."""
    groups = [(variance, degrees) for variance, degrees in variances if variance > _SMALLEST_VARIANCE and degrees > 0]
    if len(groups) < 2:  # noqa: PLR2004 - one group does not show how groups differ
        return NO_PRIOR
    # Smyth's e: the log of a sample variance, corrected for the bias due to its degrees of freedom.
    logs = [math.log(variance) - float(digamma(d / 2)) + math.log(d / 2) for variance, d in groups]
    mean = sum(logs) / len(logs)
    noise = sum(float(polygamma(1, d / 2)) for _, d in groups) / len(groups)
    between = sum_of_squares(logs) / (len(logs) - 1) - noise
    degrees = _degrees_of(between)
    variance = math.exp(mean + float(digamma(degrees / 2)) - math.log(degrees / 2))
    return VariancePrior(variance, min(max(degrees, MIN_DEGREES), MAX_DEGREES))


def _degrees_of(between: float) -> float:
    """Return the degrees d for which trigamma(d / 2) equals the variance of log variances between cases."""

    def excess(degrees: float) -> float:
        return float(polygamma(1, degrees / 2)) - between

    if excess(_LARGEST_DEGREES) >= 0:
        return _LARGEST_DEGREES
    if excess(_SMALLEST_DEGREES) <= 0:
        return _SMALLEST_DEGREES
    return float(brentq(excess, _SMALLEST_DEGREES, _LARGEST_DEGREES))
