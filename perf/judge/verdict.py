"""From samples of a speedup to a verdict. Pure: no I/O, no other room.

Everything is done on log speedups of invocations. There are two questions. Did the speedup over the control change
since the baseline (`judge`)? And, where it seems so, is the build slower than the baseline's own build when the two are
measured side by side (`settle`)? The second answer counts: it is free of whatever happened to the machine since the
baseline.

Standard errors come from the samples and from the prior that all cases of the baseline give (spread.py). Assumed:
invocations are exchangeable within a run, their medians over blocks near normal, and equally spread then and now.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scipy.special import stdtr, stdtrit

from perf.judge.spread import Spread, sum_of_squares

Kind = Literal["ok", "regressed", "improved", "inconclusive", "no-baseline", "invalid"]

# An alarm in a run with no regression at all, over all its comparisons: once in a hundred runs.
RUN_ERROR = 0.01
# How often a case may be measured again, each time with a chance to err: the error of a run is shared among them.
LOOKS = 4
# The confidence of intervals that are shown, and of whatever is not an alarm.
CONFIDENCE = 0.95
# What is surer than this is told as "over" it.
MOST = 0.99999


@dataclass(frozen=True)
class Tolerance:
    """What matters of a case, as shares of its speedup: no alarm is raised for a loss up to `change`, and `ok` means
    that a change by `resolution` or more is excluded.
    """

    change: float
    resolution: float

    @property
    def log_change(self) -> float:
        """The loss that is allowed, on the log scale, as a positive number; a gain is as large turned around."""
        return -math.log1p(-self.change)


@dataclass(frozen=True)
class Then:
    """What a speedup is judged by: the log speedups of the baseline's invocations, and what its cases say about their
    variance. `exact`: a published figure, one value that comes with no variance of its own.
    """

    values: Sequence[float]
    spread: Spread
    exact: bool = False

    @property
    def inverse_size(self) -> float:
        """What the baseline's own error adds, in units of one invocation's variance."""
        return 0.0 if self.exact else 1 / len(self.values)


@dataclass(frozen=True)
class Change:
    """A speedup now over the same speedup then, on the log scale: estimate, standard error, degrees of freedom."""

    log_ratio: float
    error: float
    degrees: float

    @property
    def ratio(self) -> float:
        return math.exp(self.log_ratio)

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """The two-sided confidence interval of the ratio; from 0 to infinity when nothing is known of the error."""
        if not self.degrees:
            return 0.0, math.inf
        half = float(stdtrit(self.degrees, (1 + confidence) / 2)) * self.error
        return math.exp(self.log_ratio - half), math.exp(self.log_ratio + half)

    def confidence_of_loss(self, tolerance: float) -> float:
        """How sure it is that the speedup fell by more than a share `tolerance` (one-sided, between 0 and 1)."""
        return self._confidence(math.log1p(-tolerance) - self.log_ratio)

    def confidence_of_gain(self, tolerance: float) -> float:
        """How sure it is that the speedup rose by as much as makes a loss of `tolerance` when turned around."""
        return self._confidence(self.log_ratio + math.log1p(-tolerance))

    def _confidence(self, distance: float) -> float:
        if not self.degrees:
            return 0.0
        if not self.error:
            return 1.0 if distance > 0 else 0.0
        return float(stdtr(self.degrees, distance / self.error))


@dataclass(frozen=True)
class Judgement:
    """The verdict on one ratio. `needed` is how many invocations would settle an inconclusive one; None when no number
    of them would, because the baseline has too few.
    """

    kind: Kind
    reason: str
    change: Change | None = None
    needed: int | None = None


def change_from(then: Then, now: Sequence[float]) -> Change:
    """The change from `then` to the log speedups `now`. ValueError when either holds none."""
    if not now or not then.values:
        raise ValueError("a change needs something now and something then")
    degrees = then.spread.degrees + len(now) - 1 + (0 if then.exact else len(then.values) - 1)
    squares = then.spread.degrees * then.spread.variance + sum_of_squares(now) + sum_of_squares(then.values)
    error = math.sqrt(squares / degrees * (1 / len(now) + then.inverse_size)) if degrees else math.inf
    return Change(sum(now) / len(now) - sum(then.values) / len(then.values), error, degrees)


def change_beside(beside: Sequence[float], spread: Spread) -> Change:
    """The change from the baseline's own build, measured side by side: `beside` holds log(its latency / latency) of
    each invocation. ValueError when there is none.
    """
    if not beside:
        raise ValueError("a change needs something measured side by side")
    degrees = spread.degrees + len(beside) - 1
    squares = spread.degrees * spread.variance + sum_of_squares(beside)
    error = math.sqrt(squares / degrees / len(beside)) if degrees else math.inf
    return Change(sum(beside) / len(beside), error, degrees)


def settle(beside: Sequence[float], spread: Spread, tolerance: Tolerance, comparisons: int) -> Judgement:
    """The verdict on what was measured side by side with the baseline's own build, as one of the `comparisons` of a
    run.

    A change is called when it is sure at the level that keeps the error of the whole run at `RUN_ERROR` (Bonferroni's
    share of it, for each of `LOOKS` looks at each comparison), and sure at 95 % to exceed the tolerance.
    """
    change = change_beside(beside, spread)
    needed = _needed(change, change.error**2 * len(beside), 0.0, tolerance)
    return _decide(change, tolerance, comparisons, needed, may_call=True)


def judge(
    first: Sequence[float], again: Sequence[float], then: Then, tolerance: Tolerance, comparisons: int
) -> Judgement:
    """The verdict on the change since the baseline, as one of the `comparisons` of a run: `first` measured, then
    `again` in fresh processes if the first look did not settle it.

    A change is called as in `settle`, and only when what was measured again alone lies beyond the tolerance too.
    """
    if not first:
        return Judgement("invalid", "nothing undisturbed was measured")
    if not then.values:
        return Judgement("no-baseline", "the baseline has no undisturbed measurement of it")
    now = [*first, *again]
    change = change_from(then, now)
    repeated = change_from(then, again).log_ratio if again else 0.0
    confirmed = math.copysign(repeated, repeated * change.log_ratio) > tolerance.log_change
    variance = change.error**2 / (1 / len(now) + then.inverse_size)
    needed = _needed(change, variance, then.inverse_size, tolerance)
    return _decide(change, tolerance, comparisons, needed, may_call=confirmed)


def _decide(change: Change, tolerance: Tolerance, comparisons: int, needed: int | None, *, may_call: bool) -> Judgement:
    if change.log_ratio < 0:
        sure, beyond = change.confidence_of_loss(0), change.confidence_of_loss(tolerance.change)
    else:
        sure, beyond = change.confidence_of_gain(0), change.confidence_of_gain(tolerance.change)
    if may_call and sure > 1 - RUN_ERROR / (comparisons * LOOKS) and beyond >= CONFIDENCE:
        if change.log_ratio < 0:
            return Judgement("regressed", _sure(sure, beyond), change)
        return Judgement("improved", f"{_sure(sure, beyond)}: the baseline is stale", change)
    if abs(change.log_ratio) > tolerance.log_change:
        why = "it may have changed by more than its tolerance, and that is not sure enough for an alarm"
    elif not _excluded(change, tolerance):
        why = f"a change by {tolerance.resolution:.0%} cannot be excluded"
    else:
        return Judgement("ok", "", change)
    return Judgement("inconclusive", why, change, needed)


def _excluded(change: Change, tolerance: Tolerance) -> bool:
    """Whether the 95 % interval excludes a change by the resolution, either way."""
    low, high = change.interval()
    return low > 1 - tolerance.resolution and high < 1 / (1 - tolerance.resolution)


def _needed(change: Change, variance: float, inverse_size: float, tolerance: Tolerance) -> int | None:
    """How many invocations of this variance would bring the 95 % interval within half the resolution to each side, or,
    when the estimate lies beyond the tolerance, off the tolerance. None when the baseline's own invocations
    (`inverse_size`) are too few for that, or nothing is known of the variance.
    """
    if not change.degrees:
        return None
    beyond = abs(change.log_ratio) - tolerance.log_change
    half = beyond if beyond > 0 else -math.log1p(-tolerance.resolution) / 2
    quantile = float(stdtrit(change.degrees, (1 + CONFIDENCE) / 2))
    left = (half / quantile) ** 2 / variance - inverse_size if variance else math.inf
    return math.ceil(1 / left) if left > 0 else None


def _sure(changed: float, beyond: float) -> str:
    """How sure a change is, in words that never round up to certainty."""
    at_all, exceeding = (
        f"{math.floor(share * 1e5) / 1e3:g} %" if share < MOST else "over 99.999 %" for share in (changed, beyond)
    )
    return f"sure at {at_all} that it changed, and at {exceeding} that it exceeds the tolerance"
