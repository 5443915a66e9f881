"""What a resumed session takes up of the earlier one, and what it drops."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from perf.measure.engine import Conditions
from perf.measure.plan import Plan
from perf.measure.stacks import stacks_of


def resumed(plans: Sequence[Plan[Any]], conditions: Conditions) -> Iterator[str]:
    """How many of the invocations that the plans need are taken from an earlier session, and which ones are dropped
    and why, a line each; none in a session that resumes nothing.
    """
    journal = conditions.journal
    if journal.resumed is None:
        return
    taken = needed = 0
    dropped: list[str] = []
    for plan in plans:
        stacks = stacks_of(plan, conditions.placements)
        least = (plan.effort or conditions.effort).min_invocations
        for workload in plan.workloads:
            key = plan.key_of(workload)
            found = len(journal.result(key, conditions.confirming, stacks).invocations)
            taken += found
            needed += max(found, least)
            reasons = Counter(journal.dropped(key, conditions.confirming, stacks))
            dropped += [
                f"{workload.name}: {count} earlier invocation{'s are' if count > 1 else ' is'} dropped: {reason}"
                for reason, count in reasons.items()
            ]
    if taken or conditions.confirming is None:
        yield f"{taken} of {needed} invocations taken from the session of {journal.resumed}"
    yield from dropped
