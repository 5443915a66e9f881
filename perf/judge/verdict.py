"""From samples to a verdict. Pure: no I/O, no other room.

Everything is done on logarithms of ratios, one for each invocation. There are two questions, and the stacks of
candidate and baseline decide which one is asked (docs/gate.md):

- The stacks differ: is the candidate slower than the baseline's stack, measured side by side in the same blocks
  (`judge_beside`)? Whatever happens to the machine happens to both.
- They are the same: does the machine still deliver the stored speedup (`judge_since`)? No build can have changed, and
  the speedup varies from one session to the next; that variance is part of the error.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from scipy.special import stdtr, stdtrit

from perf.judge.speedup import Observed
from perf.judge.spread import Spread, sum_of_squares

Kind = Literal["ok", "regressed", "improved", "drifted", "inconclusive", "no-baseline", "invalid"]

# The chance of any alarm in a run in which nothing changed, over all its comparisons: one in a hundred.
RUN_ERROR = 0.01
# How often what was measured side by side is looked at, at most: the error of a run is divided among the looks.
LOOKS = 6
# The confidence of intervals that are shown, and of whatever is not an alarm.
CONFIDENCE = 0.95
# Of a hundred runs with a loss of the size that a verdict states, this share would have called it.
POWER = 0.95
# Confidence above this is stated as "over" it.
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
        """The loss that is allowed, on the log scale, as a positive number; a gain is its mirror image."""
        return -math.log1p(-self.change)


@dataclass(frozen=True)
class Change:
    """A change on the log scale, negative for a loss: estimate, standard error, degrees of freedom of the error."""

    log_ratio: float
    error: float
    degrees: float

    @property
    def ratio(self) -> float:
        return math.exp(self.log_ratio)

    def quantile(self, confidence: float) -> float:
        """So many standard errors hold a one-sided share `confidence`; infinite when nothing is known of the error."""
        return float(stdtrit(self.degrees, confidence)) if self.degrees else math.inf

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """The two-sided confidence interval of the ratio; from 0 to infinity when nothing is known of the error."""
        if not self.degrees:
            return 0.0, math.inf
        half = self.quantile((1 + confidence) / 2) * self.error
        return math.exp(self.log_ratio - half), math.exp(self.log_ratio + half)

    def confidence_beyond(self, log_change: float) -> float:
        """How sure it is that the change, in the direction of the estimate, is larger than `log_change` (one-sided,
        between 0 and 1).
        """
        distance = abs(self.log_ratio) - log_change
        if not self.degrees:
            return 0.0
        if not self.error:
            return 1.0 if distance > 0 else 0.0
        return float(stdtr(self.degrees, distance / self.error))


@dataclass(frozen=True)
class Judgement:
    """The verdict on one ratio. `smallest_loss` is the smallest loss, as a share, that 95 of 100 such measurements
    would have called, `with_twice` the same with twice as many invocations; None when nothing is known of the error.
    `needed` is how many invocations, in all, would decide an inconclusive one; None when that is not known.
    """

    kind: Kind
    reason: str
    change: Change | None = None
    smallest_loss: float | None = None
    with_twice: float | None = None
    needed: int | None = None


def change_beside(beside: Sequence[float], spread: Spread) -> Change:
    """The change from the baseline's stack: `beside` holds log(its latency / latency) of each invocation, `spread` is
    the prior of their variance. ValueError when there is none.
    """
    if not beside:
        raise ValueError("a change needs something measured side by side")
    variance, degrees = _moderated(beside, spread)
    return Change(sum(beside) / len(beside), math.sqrt(variance / len(beside)) if degrees else math.inf, degrees)


def change_since(now: Observed, then: Observed, within: Spread, sessions: Spread) -> Change:
    """The change of a stored log speedup between two sessions. `within` is the prior of the variance between
    invocations, `sessions` the variance of a session's own speedup beyond them, which counts for both.

    The degrees of freedom of the sum are Satterthwaite's ("An approximate distribution of estimates of variance
    components", 1946).
    """
    parts = [(2 * sessions.variance, sessions.degrees), now.moderated(within), then.moderated(within)]
    total = sum(variance for variance, _ in parts)
    known = [(variance, degrees) for variance, degrees in parts if variance and degrees]
    change = now.log_ratio - then.log_ratio
    if not known:
        return Change(change, 0.0 if any(degrees for _, degrees in parts) else math.inf, parts[0][1])
    return Change(change, math.sqrt(total), total**2 / sum(v**2 / d for v, d in known))


def judge_beside(beside: Sequence[float], spread: Spread, tolerance: Tolerance, comparisons: int) -> Judgement:
    """The verdict on a candidate measured side by side with the baseline's stack, as one of a run's `comparisons`.

    A change is called when it is sure at the level that keeps the error of the whole run at `RUN_ERROR` (Bonferroni's
    share of it, for each of `LOOKS` looks at each comparison), and sure at 95 % to exceed the tolerance.
    """
    if not beside:
        return Judgement("invalid", "nothing undisturbed was measured side by side")
    change = change_beside(beside, spread)
    level = 1 - RUN_ERROR / (comparisons * LOOKS)
    twice = replace(change, error=change.error / math.sqrt(2), degrees=change.degrees + len(beside))
    smallest, with_twice = (_smallest_loss(found, level, tolerance) for found in (change, twice))
    sure, beyond = change.confidence_beyond(0), change.confidence_beyond(tolerance.log_change)
    if sure > level and beyond >= CONFIDENCE:
        if change.log_ratio < 0:
            return Judgement("regressed", _sure(sure, beyond), change, smallest, with_twice)
        return Judgement("improved", f"{_sure(sure, beyond)}: the baseline is stale", change, smallest, with_twice)
    if abs(change.log_ratio) > tolerance.log_change:
        why = "it may have changed by more than its tolerance, and that is not sure enough for an alarm"
    elif not _excluded(change, tolerance):
        why = f"a change by {tolerance.resolution:.0%} cannot be excluded"
    else:
        return Judgement("ok", "", change, smallest, with_twice)
    return Judgement("inconclusive", why, change, smallest, with_twice, _needed(change, len(beside), tolerance))


def judge_since(
    now: Observed | None,
    then: Observed | None,
    within: Spread,
    sessions: Spread,
    tolerance: Tolerance,
    comparisons: int,
) -> Judgement:
    """The verdict on a speedup of the same stack then and now: `ok`, or `drifted` when the change is sure at the level
    of the run and sure at 95 % to exceed the tolerance. It is never inconclusive: what is not significantly beyond the
    variance of sessions is within it, and the smallest drift that would have been called is stated. None: nothing
    undisturbed was measured, now or then.
    """
    if now is None:
        return Judgement("invalid", "nothing undisturbed was measured")
    if then is None:
        return Judgement("no-baseline", "the baseline has no undisturbed measurement of it")
    change = change_since(now, then, within, sessions)
    twice = change_since(replace(now, invocations=2 * now.invocations), then, within, sessions)
    level = 1 - RUN_ERROR / comparisons
    smallest, with_twice = (_smallest_loss(found, level, tolerance) for found in (change, twice))
    sure, beyond = change.confidence_beyond(0), change.confidence_beyond(tolerance.log_change)
    if sure > level and beyond >= CONFIDENCE:
        return Judgement("drifted", _sure(sure, beyond), change, smallest, with_twice)
    return Judgement("ok", "", change, smallest, with_twice)


def _moderated(values: Sequence[float], prior: Spread) -> tuple[float, float]:
    """The variance of values with what the prior knows of it, and its degrees of freedom; (0, 0) without any."""
    degrees = prior.degrees + len(values) - 1
    squares = prior.degrees * prior.variance + sum_of_squares(values)
    return (squares / degrees, degrees) if degrees else (0.0, 0.0)


def _smallest_loss(change: Change, level: float, tolerance: Tolerance) -> float | None:
    """The loss that an estimate with this error exceeds the threshold of an alarm by with probability `POWER`."""
    if not change.degrees or math.isinf(change.error):
        return None
    threshold = max(
        change.quantile(level) * change.error, tolerance.log_change + change.quantile(CONFIDENCE) * change.error
    )
    return -math.expm1(-(threshold + change.quantile(POWER) * change.error))


def _excluded(change: Change, tolerance: Tolerance) -> bool:
    """Whether the 95 % interval excludes a change by the resolution, either way."""
    low, high = change.interval()
    return low > 1 - tolerance.resolution and high < 1 / (1 - tolerance.resolution)


def _needed(change: Change, invocations: int, tolerance: Tolerance) -> int | None:
    """How many invocations of this variance would bring the 95 % interval within half the resolution to each side, or,
    when the estimate lies beyond the tolerance, off the tolerance. None when nothing is known of the variance.
    """
    if not change.degrees or not change.error:
        return None
    beyond = abs(change.log_ratio) - tolerance.log_change
    half = beyond if beyond > 0 else -math.log1p(-tolerance.resolution) / 2
    return math.ceil(invocations * (change.quantile((1 + CONFIDENCE) / 2) * change.error / half) ** 2)


def _sure(changed: float, beyond: float) -> str:
    """How sure a change is, in words that never round up to certainty."""
    at_all, exceeding = (
        f"{math.floor(share * 1e5) / 1e3:g} %" if share < MOST else "over 99.999 %" for share in (changed, beyond)
    )
    return f"sure at {at_all} that it changed, and at {exceeding} that it exceeds the tolerance"
