"""From samples to a verdict. Pure: no I/O, no other room.

Everything is done on logarithms of ratios, one for each invocation. There are two questions, and the stacks of
candidate and baseline decide which one is asked (docs/explanation/gate.md):

- The stacks differ: is the candidate slower than the baseline's stack, measured side by side in the same blocks
  (`judge_side_by_side`)? Whatever happens to the machine happens to both.
- They are the same: does the machine still deliver the stored speedup (`judge_since`)? No build can have changed, and
  the speedup varies from one session to the next; that variance is part of the error.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from perf.judge.change import CONFIDENCE, Change, change_side_by_side, change_since
from perf.judge.power import smallest_loss
from perf.judge.speedup import Observed
from perf.judge.statistics import median
from perf.judge.variance_prior import VariancePrior

Kind = Literal["ok", "regressed", "improved", "drifted", "inconclusive", "no-baseline", "invalid"]

# The chance of any alarm in a run in which nothing changed, over all its comparisons: one in a hundred.
RUN_ERROR = 0.01
# The share of it for drifts of all cases of a variant together; the rest is for those of each case.
TOGETHER = 0.2
# The variance of a median of many normal values over that of their mean.
MEDIAN = math.pi / 2
# How often what was measured side by side is looked at, at most: the error of a run is divided among the looks.
LOOKS = 6
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


def judge_side_by_side(
    side_by_side: Sequence[float], prior: VariancePrior, tolerance: Tolerance, comparisons: int
) -> Judgement:
    """The verdict on a candidate measured side by side with the baseline's stack, as one of a run's `comparisons`.

    A loss is called when it is sure at the level that keeps the error of the whole run at `RUN_ERROR` (Bonferroni's
    share of it, for each of `LOOKS` looks at each comparison), and sure at 95 % to exceed the tolerance. So is a gain,
    which is no alarm.
    """
    if not side_by_side:
        return Judgement("invalid", "nothing undisturbed was measured side by side")
    count = len(side_by_side)
    change = change_side_by_side(side_by_side, prior)
    level = 1 - RUN_ERROR / (comparisons * LOOKS)
    smallest = smallest_loss(change, prior.divided_by(count), count - 1, level, tolerance.log_change)
    twice = Change(change.log_ratio, tuple(VariancePrior(p.variance / 2, p.degrees + count) for p in change.parts))
    with_twice = _least(
        smallest, smallest_loss(twice, prior.divided_by(2 * count), 2 * count - 1, level, tolerance.log_change)
    )
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
    return Judgement("inconclusive", why, change, smallest, with_twice, _needed(change, count, tolerance))


def judge_since(
    now: Observed | None,
    then: Observed | None,
    within: VariancePrior,
    sessions: VariancePrior,
    tolerance: Tolerance,
    comparisons: int,
) -> Judgement:
    """The verdict on a speedup of the same stack then and now: `ok`, or `drifted` when the change is sure at the level
    of the run (in either direction, which halves it) and sure at 95 % to exceed the tolerance. It is never
    inconclusive: what is not significantly beyond the variance of sessions is within it, and the smallest drift that
    would have been called is stated. None: nothing undisturbed was measured, now or then.
    """
    if now is None:
        return Judgement("invalid", "nothing undisturbed was measured")
    if then is None:
        return Judgement("no-baseline", "the baseline has no undisturbed measurement of it")
    change = change_since(now, then, within, sessions)
    level = 1 - (1 - TOGETHER) * RUN_ERROR / (2 * comparisons)
    stated = []
    for again in (now, replace(now, invocations=2 * now.invocations)):
        kept = within.with_squares(then.degrees * then.variance, then.degrees)
        kept = kept.divided_by(again.invocations * then.invocations / (again.invocations + then.invocations))
        found = change_since(again, then, within, sessions)
        stated.append(smallest_loss(found, kept, again.degrees, level, tolerance.log_change))
    smallest, with_twice = stated[0], _least(*stated)
    sure, beyond = change.confidence_beyond(0), change.confidence_beyond(tolerance.log_change)
    if sure > level and beyond >= CONFIDENCE:
        return Judgement("drifted", _sure(sure, beyond), change, smallest, with_twice)
    return Judgement("ok", "", change, smallest, with_twice)


def judge_together(changes: Sequence[Change], sessions: VariancePrior, tolerance: Tolerance, groups: int) -> Judgement:
    """The verdict on the median change of cases of the same stacks, as one of a run's `groups`: `ok` or `drifted`, as
    `judge_since` has it. What moves most of them is seen where no single one of many is sure, and what moves one of
    them leaves the others alone. A session may move all of them alike, so its variance counts in full; that within it
    counts as for a median of so many. ValueError without changes.
    """
    if not changes:
        raise ValueError("a group of no changes")
    count = len(changes)
    within = [change.parts[-1] for change in changes if change.known]
    noise = VariancePrior(
        MEDIAN * sum(part.variance for part in within) / count**2, min((p.degrees for p in within), default=0.0)
    )
    parts = (VariancePrior(2 * sessions.variance, sessions.degrees), noise)
    change = Change(median([c.log_ratio for c in changes]), tuple(part for part in parts if part.degrees))
    level = 1 - TOGETHER * RUN_ERROR / (2 * groups)
    sure, beyond = change.confidence_beyond(0), change.confidence_beyond(tolerance.log_change)
    if sure > level and beyond >= CONFIDENCE:
        return Judgement("drifted", _sure(sure, beyond), change)
    return Judgement("ok", "", change)


def _least(one: float | None, other: float | None) -> float | None:
    """The smaller one; None when either is not known."""
    return None if one is None or other is None else min(one, other)


def _excluded(change: Change, tolerance: Tolerance) -> bool:
    """Whether the 95 % interval excludes a change by the resolution, either way."""
    low, high = change.interval()
    return low > 1 - tolerance.resolution and high < 1 / (1 - tolerance.resolution)


def _needed(change: Change, invocations: int, tolerance: Tolerance) -> int | None:
    """How many invocations of this variance would bring the 95 % interval within half the resolution to each side, or,
    when the estimate lies beyond the tolerance, off the tolerance. None when nothing is known of the variance.
    """
    if not change.known or not change.error:
        return None
    beyond = abs(change.log_ratio) - tolerance.log_change
    half = beyond if beyond > 0 else -math.log1p(-tolerance.resolution) / 2
    return math.ceil(invocations * (change.quantile((1 + CONFIDENCE) / 2) / half) ** 2)


def _sure(changed: float, beyond: float) -> str:
    """How sure a change is, in words that never round up to certainty."""
    at_all, exceeding = (
        f"{math.floor(share * 1e5) / 1e3:g} %" if share < MOST else "over 99.999 %" for share in (changed, beyond)
    )
    return f"sure at {at_all} that it changed, and at {exceeding} that it exceeds the tolerance"
