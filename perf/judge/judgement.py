"""Judge a comparison: from samples to `ok`, `regressed` and the like. Pure: no I/O, no other room.

All computations are on logarithms of ratios, one for each invocation. The stacks of candidate and baseline decide which
of two questions is asked (docs/explanation/gate.md):

- The stacks differ: is the candidate slower than the baseline's stack, measured side by side in the same blocks
  (`judge_side_by_side`)? Whatever happens to the machine happens to both.
- The stacks are the same: does the machine still deliver the stored speedup (`judge_drift`)? No build can have changed,
  and speedups vary from one session to the next; that variance is part of the error.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from perf.judge.change import CONFIDENCE, Change, change_between_sessions, change_side_by_side
from perf.judge.power import smallest_loss
from perf.judge.speedup import ObservedRatio
from perf.judge.statistics import median
from perf.judge.variance_prior import VariancePrior

VerdictKind = Literal["ok", "regressed", "improved", "drifted", "inconclusive", "no-baseline", "invalid"]

# The probability of any alarm in a run in which nothing changed, over all its comparisons: one in a hundred.
RUN_ERROR = 0.01
# The fraction of it that is spent on drifts of groups of cases; the rest is for the drifts of single cases.
GROUP_ERROR_FRACTION = 0.2
# The variance of the median of many normal values, relative to that of their mean.
MEDIAN_VARIANCE_RATIO = math.pi / 2
# How often a side-by-side comparison is evaluated at most: the screening and its confirmations. The error of a run is
# divided among the evaluations.
MAX_EVALUATIONS = 6
# Higher confidence is stated as "over" this, since rounding it up would state certainty.
MAX_STATED_CONFIDENCE = 0.99999


@dataclass(frozen=True)
class Tolerance:
    """Which changes of a case's speedup matter, as fractions of it: a loss up to `change` raises no alarm, and `ok`
    means that a change of `resolution` or more is excluded.
    """

    change: float
    resolution: float

    @property
    def log_change(self) -> float:
        """The allowed loss on the log scale, as a positive number; for a gain it counts in the other direction."""
        return -math.log1p(-self.change)


@dataclass(frozen=True)
class Judgement:
    """The verdict on one comparison.

    `kind` is the verdict and `reason` says why. `change` is the estimated change. `smallest_loss` is the smallest loss,
    as a fraction, that 95 of 100 such measurements would detect, and `with_twice` the same with twice as many
    invocations; both are None when the error is unknown. `needed` is the total number of invocations that would decide
    an inconclusive comparison; None when it is unknown.
    """

    kind: VerdictKind
    reason: str
    change: Change | None = None
    smallest_loss: float | None = None
    with_twice: float | None = None
    needed: int | None = None


def judge_side_by_side(
    side_by_side: Sequence[float], prior: VariancePrior, tolerance: Tolerance, comparisons: int
) -> Judgement:
    """Judge a candidate that was measured side by side with the baseline's stack, as one of a run's `comparisons`.
    `side_by_side` holds log(latency of the baseline's stack / latency) of each invocation.

    A loss is `regressed` when it is significant at the level that keeps the error of the whole run at `RUN_ERROR`
    (Bonferroni's correction, for `MAX_EVALUATIONS` of each comparison), and exceeds the tolerance with 95 % confidence.
    `improved` is the same for a gain, which raises no alarm.
    """
    if not side_by_side:
        return Judgement("invalid", "there is no undisturbed measurement side by side with the baseline's stack")
    count = len(side_by_side)
    change = change_side_by_side(side_by_side, prior)
    level = 1 - RUN_ERROR / (comparisons * MAX_EVALUATIONS)
    smallest = smallest_loss(change, prior.divided_by(count), count - 1, level, tolerance.log_change)
    twice = Change(change.log_ratio, tuple(VariancePrior(p.variance / 2, p.degrees + count) for p in change.parts))
    with_twice = _smaller(
        smallest, smallest_loss(twice, prior.divided_by(2 * count), 2 * count - 1, level, tolerance.log_change)
    )
    changed, beyond = change.confidence_beyond(0), change.confidence_beyond(tolerance.log_change)
    if changed > level and beyond >= CONFIDENCE:
        reason = _confidence_text(changed, beyond)
        if change.log_ratio < 0:
            return Judgement("regressed", reason, change, smallest, with_twice)
        return Judgement("improved", f"{reason}; the baseline is out of date", change, smallest, with_twice)
    if abs(change.log_ratio) > tolerance.log_change:
        reason = "it may have changed by more than its tolerance, but the evidence is too weak for an alarm"
    elif not _excluded(change, tolerance):
        reason = f"a change of {tolerance.resolution:.0%} cannot be excluded"
    else:
        return Judgement("ok", "", change, smallest, with_twice)
    return Judgement("inconclusive", reason, change, smallest, with_twice, _needed(change, count, tolerance, level))


def judge_drift(
    now: ObservedRatio | None,
    then: ObservedRatio | None,
    within: VariancePrior,
    sessions: VariancePrior,
    tolerance: Tolerance,
    comparisons: int,
) -> Judgement:
    """Judge a speedup of the same stack against the stored one, as one of a run's `comparisons`. `within` is the prior
    of the variance between invocations, `sessions` the variance between sessions. `now` or `then` is None when there
    was no undisturbed measurement.

    The verdict is `drifted` when the change is significant at the level of the run (in either direction, which halves
    it) and exceeds the tolerance with 95 % confidence, else `ok`. It is never `inconclusive`: what is not significantly
    beyond the variance between sessions is within it, and the smallest drift that would be detected is stated.
    """
    if now is None:
        return Judgement("invalid", "it has no undisturbed measurement")
    if then is None:
        return Judgement("no-baseline", "the baseline has no undisturbed measurement of it")
    change = change_between_sessions(now, then, within, sessions)
    level = 1 - (1 - GROUP_ERROR_FRACTION) * RUN_ERROR / (2 * comparisons)
    stated = []
    for again in (now, replace(now, invocations=2 * now.invocations)):
        kept = within.with_squares(then.degrees * then.variance, then.degrees)
        kept = kept.divided_by(again.invocations * then.invocations / (again.invocations + then.invocations))
        predicted = change_between_sessions(again, then, within, sessions)
        stated.append(smallest_loss(predicted, kept, again.degrees, level, tolerance.log_change))
    smallest, with_twice = stated[0], _smaller(*stated)
    changed, beyond = change.confidence_beyond(0), change.confidence_beyond(tolerance.log_change)
    if changed > level and beyond >= CONFIDENCE:
        return Judgement("drifted", _confidence_text(changed, beyond), change, smallest, with_twice)
    return Judgement("ok", "", change, smallest, with_twice)


def judge_group(changes: Sequence[Change], sessions: VariancePrior, tolerance: Tolerance, groups: int) -> Judgement:
    """Judge the median change of cases of the same stacks, as one of a run's `groups`: `ok` or `drifted`, by the rules
    of `judge_drift`. Raises ValueError without changes.

    A drift of most cases is detected where no single one is significant, and a drift of one case does not affect the
    rest. A session may move all cases alike, so its variance counts in full; the variance within a session counts as
    for a median of that many values.
    """
    if not changes:
        raise ValueError("a group of no changes")
    count = len(changes)
    within = [change.parts[-1] for change in changes if change.known]
    noise = VariancePrior(
        MEDIAN_VARIANCE_RATIO * sum(part.variance for part in within) / count**2,
        min((part.degrees for part in within), default=0.0),
    )
    parts = (VariancePrior(2 * sessions.variance, sessions.degrees), noise)
    change = Change(median([c.log_ratio for c in changes]), tuple(part for part in parts if part.degrees))
    level = 1 - GROUP_ERROR_FRACTION * RUN_ERROR / (2 * groups)
    changed, beyond = change.confidence_beyond(0), change.confidence_beyond(tolerance.log_change)
    if changed > level and beyond >= CONFIDENCE:
        return Judgement("drifted", _confidence_text(changed, beyond), change)
    return Judgement("ok", "", change)


def judge_sum(change: Change, tolerance: Tolerance, comparisons: int) -> Judgement:
    """Judge the sum of a case's changes since a fixed run, as one of a run's `comparisons`: `regressed` when it is a
    loss that is significant at the level of the run, and exceeds the tolerance with 95 % confidence, else `ok`.
    """
    changed, beyond = change.confidence_beyond(0), change.confidence_beyond(tolerance.log_change)
    if change.log_ratio < 0 and changed > 1 - RUN_ERROR / comparisons and beyond >= CONFIDENCE:
        return Judgement("regressed", _confidence_text(changed, beyond), change)
    return Judgement("ok", "", change)


def _smaller(one: float | None, other: float | None) -> float | None:
    """Return the smaller number; None when either is None."""
    return None if one is None or other is None else min(one, other)


def _excluded(change: Change, tolerance: Tolerance) -> bool:
    """Return whether the 95 % interval excludes a change of the resolution in both directions."""
    low, high = change.interval()
    return low > 1 - tolerance.resolution and high < 1 / (1 - tolerance.resolution)


def _needed(change: Change, invocations: int, tolerance: Tolerance, level: float) -> int | None:
    """Return how many invocations of this variance would decide an inconclusive comparison, more than there were; None
    when the variance is unknown. They shrink the 95 % interval to half the resolution on each side or, if the estimate
    lies beyond the tolerance, so far that it no longer contains the tolerance and the change is significant at `level`.
    """
    if not change.known or not change.error:
        return None
    quantile = change.quantile((1 + CONFIDENCE) / 2)
    beyond = abs(change.log_ratio) - tolerance.log_change
    if beyond > 0:
        shrink = max(quantile / beyond, change.quantile(level) / abs(change.log_ratio))
    else:
        shrink = quantile / (-math.log1p(-tolerance.resolution) / 2)
    return max(invocations + 1, math.ceil(invocations * shrink**2))


def _confidence_text(changed: float, beyond: float) -> str:
    """Return the confidence in a change as text, rounded down."""
    in_change, in_excess = (
        f"{math.floor(confidence * 1e5) / 1e3:g} %" if confidence < MAX_STATED_CONFIDENCE else "over 99.999 %"
        for confidence in (changed, beyond)
    )
    return f"{in_change} confidence that it changed, and {in_excess} that the change exceeds the tolerance"
