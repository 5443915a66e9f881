"""The change of a log ratio, with its error. Pure: no I/O, no other room.

The error has one or two parts, each an estimated variance with its own degrees of freedom. One part follows Student's t
distribution. The sum of two follows the distribution of Behrens ("Ein Beitrag zur Fehlerberechnung bei wenigen
Beobachtungen", 1929) and Fisher, computed here by quadrature. Satterthwaite's approximation by a single t raised four
times as many alarms as it should in a run of 168 comparisons (docs/explanation/gate.md).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import scipy
from scipy.special import gammaln, stdtr, stdtrit

from perf.judge.speedup import ObservedRatio
from perf.judge.variance_prior import VariancePrior, sum_of_squares

# The search for a quantile ends at this multiple of the sum of the parts' quantiles. It is needed for less than one
# degree of freedom only: with one or more, the quantile of the sum never exceeds the sum of the quantiles.
TOO_FAR = 1e6
# The confidence of the intervals that are shown, and of every decision that raises no alarm.
CONFIDENCE = 0.95
# Just below log(largest double), 709.78 (IEEE 754); an interval that ends here is unbounded.
LARGEST_LOG = 709.0
# The grid of the quadrature is sinh of these: dense in the middle, and far enough out for one degree of freedom.
_STEPS = np.linspace(-24, 24, 513)
_GRID = np.sinh(_STEPS)


@dataclass(frozen=True)
class Change:
    """An estimated change. `log_ratio` is log(now / then), negative for a loss. `parts` are the parts of its error, at
    most two: squared standard errors with their degrees of freedom. Without parts the error is unknown; a part without
    variance is exact.
    """

    log_ratio: float
    parts: tuple[VariancePrior, ...]

    @property
    def ratio(self) -> float:
        """Now over then."""
        return math.exp(self.log_ratio)

    @property
    def known(self) -> bool:
        """Whether its error is known."""
        return bool(self.parts)

    @property
    def error(self) -> float:
        """The standard error on the log scale; infinite when it is unknown."""
        return math.sqrt(sum(part.variance for part in self.parts)) if self.known else math.inf

    def quantile(self, confidence: float) -> float:
        """Return the largest distance of the estimate from the truth, in one direction, with this confidence (0.5 or
        more); infinite when the error is unknown.
        """
        if not self.known:
            return math.inf
        parts = self._inexact
        if not parts:
            return 0.0
        # The quantile of the sum lies between the larger quantile of a part and the sum of both.
        alone = [float(stdtrit(part.degrees, confidence)) * math.sqrt(part.variance) for part in parts]
        if len(alone) == 1 or confidence == 0.5:  # noqa: PLR2004 - the middle
            return alone[0]
        most = 1.1 * sum(alone)
        while self._below(most) < confidence and most < sum(alone) * TOO_FAR:
            most *= 2
        if self._below(most) < confidence:
            return most  # less than one degree of freedom: the quantile is too far out to matter
        return float(scipy.optimize.brentq(lambda far: self._below(far) - confidence, 0.0, most, xtol=1e-9, rtol=1e-7))

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Return the two-sided confidence interval of the ratio; from 0 to infinity when the error is unknown."""
        if not self.known:
            return 0.0, math.inf
        half = self.quantile((1 + confidence) / 2)
        return math.exp(self.log_ratio - half), math.exp(min(self.log_ratio + half, LARGEST_LOG))

    def confidence_beyond(self, log_change: float) -> float:
        """Return the one-sided confidence (0 to 1) that the change, in the direction of the estimate, exceeds
        `log_change`.
        """
        if not self.known:
            return 0.0
        return self._below(abs(self.log_ratio) - log_change)

    @property
    def p_value(self) -> float:
        """The two-sided p-value of no change: 1 when the error is unknown, and for no change without error."""
        return min(1.0, 2 * self._below(-abs(self.log_ratio))) if self.known and self.log_ratio else 1.0

    @cached_property
    def _inexact(self) -> Sequence[VariancePrior]:
        return [part for part in self.parts if part.variance]

    def _below(self, distance: float) -> float:
        """Return the probability that the error of the estimate is below `distance`."""
        if not self._inexact:
            return 1.0 if distance > 0 else 0.0
        # Integrate the distribution of the wider part, which is smooth, over the density of the narrower one.
        first, *rest = sorted(self._inexact, key=lambda part: part.variance)
        if not rest:
            return float(stdtr(first.degrees, distance / math.sqrt(first.variance)))
        (second,) = rest
        inner = stdtr(second.degrees, (distance - math.sqrt(first.variance) * _GRID) / math.sqrt(second.variance))
        return min(1.0, float(np.sum(_weights(first.degrees) * inner)))


def change_side_by_side(side_by_side: Sequence[float], prior: VariancePrior) -> Change:
    """Return the change from the baseline's stack. `side_by_side` holds log(latency of the baseline's stack / latency)
    of each invocation, and `prior` is the prior of their variance. Raises ValueError without invocations.
    """
    if not side_by_side:
        raise ValueError("a change needs something measured side by side")
    pooled = prior.with_squares(sum_of_squares(side_by_side), len(side_by_side) - 1)
    return Change(sum(side_by_side) / len(side_by_side), _known(pooled.divided_by(len(side_by_side))))


def change_over_anchor(now: Sequence[float], then: Sequence[float], prior: VariancePrior) -> Change:
    """Return the change between two builds that each ran side by side with the same anchor, in blocks of their own.

    `now` and `then` hold log(latency of the anchor / latency) of each of their invocations; without invocations, a
    build is the anchor itself, exactly. `prior` is the prior of the variance of such a ratio, the same for both.
    """
    squares = sum_of_squares(now) + sum_of_squares(then)
    pooled = prior.with_squares(squares, sum(max(0, len(values) - 1) for values in (now, then)))
    parts = sum(1 / len(values) for values in (now, then) if values)
    log_ratio = _mean(now) - _mean(then)
    return Change(log_ratio, _known(VariancePrior(pooled.variance * parts, pooled.degrees)))


def change_between_sessions(
    now: ObservedRatio, then: ObservedRatio, within: VariancePrior, sessions: VariancePrior
) -> Change:
    """Return the change of a speedup between two sessions. `within` is the prior of the variance between invocations,
    assumed to be the same in both sessions. `sessions` is the additional variance of a session's own speedup; it counts
    once for each session.
    """
    squares = now.degrees * now.variance + then.degrees * then.variance
    pooled = within.with_squares(squares, now.degrees + then.degrees)
    counts = now.invocations * then.invocations / (now.invocations + then.invocations)
    parts = VariancePrior(2 * sessions.variance, sessions.degrees), pooled.divided_by(counts)
    return Change(now.log_ratio - then.log_ratio, tuple(known for part in parts for known in _known(part)))


def sum_of_changes(changes: Sequence[Change]) -> Change:
    """Return the sum of changes whose measurements are independent. Those between sessions have two parts of error, of
    which the first is the variance between sessions: estimated once, so it keeps its degrees of freedom. The rest is
    pooled with the least of their degrees. The error is unknown when one of them is.
    """
    log_ratio = math.fsum(change.log_ratio for change in changes)
    if not all(change.known for change in changes):
        return Change(log_ratio, ())
    sessions = [change.parts[0] for change in changes if len(change.parts) > 1]
    rest = [change.parts[-1] for change in changes]
    parts = [
        VariancePrior(sum(p.variance for p in group), min(p.degrees for p in group))
        for group in (sessions, rest)
        if group
    ]
    return Change(log_ratio, tuple(parts))


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else 0.0


def _known(part: VariancePrior) -> tuple[VariancePrior, ...]:
    return (part,) if part.degrees else ()


@lru_cache
def _weights(degrees: float) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Return the probability of Student's t around each point of the grid."""
    height = gammaln((degrees + 1) / 2) - gammaln(degrees / 2) - math.log(degrees * math.pi) / 2
    density = np.exp(height - (degrees + 1) / 2 * np.log1p(_GRID**2 / degrees))
    weights = density * np.cosh(_STEPS)
    return np.asarray(weights / weights.sum())
