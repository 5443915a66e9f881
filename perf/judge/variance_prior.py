"""How much a speedup varies from one invocation to the next: what all cases of a run say about each one.

Three invocations of a case alone say little about its variance; the cases of a run are measured by the same workers on
the same machine, and together they say how large such a variance is and how much it differs between cases. This is the
empirical-Bayes variance of Smyth, "Linear Models and Empirical Bayes Methods for Assessing Differential Expression",
2004, sections 3 and 6.2 ("moderated t", the R package limma).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scipy.optimize import brentq
from scipy.special import digamma, polygamma

# The prior never counts for more than so many degrees of freedom, however alike the cases' variances are: a case whose
# workers behave unlike all others must be able to say so.
MAX_DEGREES = 10.0
# Nor for less than one: of less there are no quantiles to speak of.
MIN_DEGREES = 1.0
# Log speedups have six digits: what is below is the rounding of equal ones.
_SMALLEST_VARIANCE = 1e-18
_SMALLEST_DEGREES, _LARGEST_DEGREES = 1e-3, 1e6


@dataclass(frozen=True)
class VariancePrior:
    """The prior of a case's variance between invocations (of log speedups), and the degrees of freedom it is worth."""

    variance: float
    degrees: float

    def with_squares(self, squares: float, degrees: float) -> "VariancePrior":
        """Together with a sum of squared deviations that has so many degrees of freedom."""
        total = self.degrees + degrees
        return VariancePrior((self.degrees * self.variance + squares) / total, total) if total else self

    def divided_by(self, count: float) -> "VariancePrior":
        """That of the mean of so many."""
        return VariancePrior(self.variance / count, self.degrees)


NO_PRIOR = VariancePrior(0.0, 0.0)
# Fewer samples than this cannot tell how variances differ from case to case.
FEW = 6


def prior_of(variances: Iterable[tuple[float, float]], default: VariancePrior) -> VariancePrior:
    """The prior from variances of this very kind of measurement, each with its degrees of freedom. With fewer than
    `FEW` of them it is `default` where that is larger: widened, never narrowed.
    """
    known = [(variance, degrees) for variance, degrees in variances if variance > _SMALLEST_VARIANCE and degrees > 0]
    fitted = fit_variances(known)
    if len(known) >= FEW and fitted.degrees:
        return fitted
    return VariancePrior(max(fitted.variance, default.variance), default.degrees)


def variance_of(values: Sequence[float]) -> tuple[float, float]:
    """The variance of values, and its degrees of freedom; (0, 0) for one value or none."""
    degrees = len(values) - 1
    return (sum_of_squares(values) / degrees, degrees) if degrees > 0 else (0.0, 0.0)


def sum_of_squares(values: Sequence[float]) -> float:
    """The sum of squared deviations from the mean; 0 for one value or none."""
    if not values:
        return 0.0
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values)


def fit_prior(samples: Iterable[Sequence[float]]) -> VariancePrior:
    """The prior from samples, one list of log ratios for each case. Samples without any variance (a single invocation)
    say nothing. NO_PRIOR when fewer than two say something.
    """
    return fit_variances(
        (sum_of_squares(sample) / (len(sample) - 1), len(sample) - 1) for sample in samples if sample[1:]
    )


def fit_variances(variances: Iterable[tuple[float, float]]) -> VariancePrior:
    """The prior from variances, each with its degrees of freedom; as `fit_prior`."""
    groups = [(variance, degrees) for variance, degrees in variances if variance > _SMALLEST_VARIANCE and degrees > 0]
    if len(groups) < 2:  # noqa: PLR2004 - one group says nothing of how groups differ
        return NO_PRIOR
    # Smyth's e: the log of a sample variance, freed from the bias that its degrees of freedom give it.
    logs = [math.log(variance) - float(digamma(d / 2)) + math.log(d / 2) for variance, d in groups]
    mean = sum(logs) / len(logs)
    noise = sum(float(polygamma(1, d / 2)) for _, d in groups) / len(groups)
    between = sum_of_squares(logs) / (len(logs) - 1) - noise
    degrees = _degrees_of(between)
    variance = math.exp(mean + float(digamma(degrees / 2)) - math.log(degrees / 2))
    return VariancePrior(variance, min(max(degrees, MIN_DEGREES), MAX_DEGREES))


def _degrees_of(between: float) -> float:
    """The degrees d for which trigamma(d / 2) is the variance of log variances between cases."""

    def excess(degrees: float) -> float:
        return float(polygamma(1, degrees / 2)) - between

    if excess(_LARGEST_DEGREES) >= 0:
        return _LARGEST_DEGREES
    if excess(_SMALLEST_DEGREES) <= 0:
        return _SMALLEST_DEGREES
    return float(brentq(excess, _SMALLEST_DEGREES, _LARGEST_DEGREES))
