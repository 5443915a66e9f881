"""A change of a log ratio and how sure it is. Pure: no I/O, no other room.

Its error has parts, each an estimated variance with its own degrees of freedom: of one part it is Student's t. The sum
of two of them is the distribution of Behrens ("Ein Beitrag zur Fehlerberechnung bei wenigen Beobachtungen", 1929) and
Fisher, computed here by quadrature. Satterthwaite's approximation of it by one t raised four times as many alarms as it
should in a run of 168 comparisons (docs/explanation/gate.md).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from scipy.optimize import brentq
from scipy.special import gammaln, stdtr, stdtrit

from perf.judge.speedup import Observed
from perf.judge.variance_prior import VariancePrior, sum_of_squares

# A sum's quantile lies at most so many times as far out as its parts' together; of one degree of freedom or more: once.
TOO_FAR = 1e6
# The confidence of intervals that are shown, and of whatever is not an alarm.
CONFIDENCE = 0.95
# The largest logarithm whose number a double can hold is 709.78 (IEEE 754); an interval that ends there has no end.
LARGEST_LOG = 709.0
# t = sinh of these: close together in the middle, and as far out as the tail of a single degree of freedom needs.
_STEPS = np.linspace(-24, 24, 513)
_GRID = np.sinh(_STEPS)


@dataclass(frozen=True)
class Change:
    """A change on the log scale, negative for a loss, and the parts of its error, at most two: squared standard errors
    with their degrees of freedom. Nothing is known of it without any; a part without variance is exact.
    """

    log_ratio: float
    parts: tuple[VariancePrior, ...]

    @property
    def ratio(self) -> float:
        return math.exp(self.log_ratio)

    @property
    def known(self) -> bool:
        """Whether anything is known of its error."""
        return bool(self.parts)

    @property
    def error(self) -> float:
        """The standard error; infinite when nothing is known of it."""
        return math.sqrt(sum(part.variance for part in self.parts)) if self.known else math.inf

    def quantile(self, confidence: float) -> float:
        """How far from the truth the estimate lies at most, in one direction, with this confidence (0.5 or more)."""
        if not self.known:
            return math.inf
        parts = self._inexact
        if not parts:
            return 0.0
        # That of the sum lies between the larger of the two and both together.
        alone = [float(stdtrit(part.degrees, confidence)) * math.sqrt(part.variance) for part in parts]
        if len(alone) == 1 or confidence == 0.5:  # noqa: PLR2004 - the middle
            return alone[0]
        most = 1.1 * sum(alone)
        while self._below(most) < confidence and most < sum(alone) * TOO_FAR:
            most *= 2
        if self._below(most) < confidence:
            return most  # of less than one degree of freedom, so far out that no number matters
        return float(brentq(lambda far: self._below(far) - confidence, 0.0, most, xtol=1e-9, rtol=1e-7))

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """The two-sided confidence interval of the ratio; from 0 to infinity when nothing is known of the error."""
        if not self.known:
            return 0.0, math.inf
        half = self.quantile((1 + confidence) / 2)
        return math.exp(self.log_ratio - half), math.exp(min(self.log_ratio + half, LARGEST_LOG))

    def confidence_beyond(self, log_change: float) -> float:
        """How sure it is that the change, in the direction of the estimate, is larger than `log_change` (one-sided,
        between 0 and 1).
        """
        if not self.known:
            return 0.0
        return self._below(abs(self.log_ratio) - log_change)

    @cached_property
    def _inexact(self) -> Sequence[VariancePrior]:
        return [part for part in self.parts if part.variance]

    def _below(self, distance: float) -> float:
        """The probability that the error of the estimate is smaller than `distance`."""
        if not self._inexact:
            return 1.0 if distance > 0 else 0.0
        # The wider one inside: over the narrower one's density it is smooth.
        first, *rest = sorted(self._inexact, key=lambda part: part.variance)
        if not rest:
            return float(stdtr(first.degrees, distance / math.sqrt(first.variance)))
        (second,) = rest
        inner = stdtr(second.degrees, (distance - math.sqrt(first.variance) * _GRID) / math.sqrt(second.variance))
        return min(1.0, float(np.sum(_weights(first.degrees) * inner)))


def change_side_by_side(side_by_side: Sequence[float], prior: VariancePrior) -> Change:
    """The change from the baseline's stack. `side_by_side` holds log(its latency / latency) of each invocation; `prior`
    is that of their variance. Raises ValueError when there is none.
    """
    if not side_by_side:
        raise ValueError("a change needs something measured side by side")
    pooled = prior.with_squares(sum_of_squares(side_by_side), len(side_by_side) - 1)
    return Change(sum(side_by_side) / len(side_by_side), _known(pooled.divided_by(len(side_by_side))))


def change_since(now: Observed, then: Observed, within: VariancePrior, sessions: VariancePrior) -> Change:
    """The change of a stored log speedup between two sessions. `within` is the prior of the variance between
    invocations, which is taken for the same now and then; `sessions` is the variance of a session's own speedup beyond
    it, which counts for both.
    """
    squares = now.degrees * now.variance + then.degrees * then.variance
    pooled = within.with_squares(squares, now.degrees + then.degrees)
    counts = now.invocations * then.invocations / (now.invocations + then.invocations)
    parts = VariancePrior(2 * sessions.variance, sessions.degrees), pooled.divided_by(counts)
    return Change(now.log_ratio - then.log_ratio, tuple(known for part in parts for known in _known(part)))


def _known(part: VariancePrior) -> tuple[VariancePrior, ...]:
    return (part,) if part.degrees else ()


@lru_cache
def _weights(degrees: float) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """The probability of Student's t around each point of the grid."""
    height = gammaln((degrees + 1) / 2) - gammaln(degrees / 2) - math.log(degrees * math.pi) / 2
    density = np.exp(height - (degrees + 1) / 2 * np.log1p(_GRID**2 / degrees))
    weights = density * np.cosh(_STEPS)
    return np.asarray(weights / weights.sum())
