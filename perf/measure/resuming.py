"""Which invocations of an earlier session a resumed session uses, and which it drops."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from perf.measure.engine import Conditions
from perf.measure.plan import Plan
from perf.measure.stacks import stacks_of
from perf.wording import counted


def resumed(plans: Sequence[Plan[Any]], conditions: Conditions) -> Iterator[str]:
    """Yield, a line each, how many of the invocations that the plans need come from an earlier session, and which are
    dropped and why; nothing in a new session.
    """
    journal = conditions.journal
    if journal.resumed is None:
        return
    reused = needed = 0
    dropped: list[str] = []
    for plan in plans:
        stacks = stacks_of(plan, conditions.placements)
        least = (plan.effort or conditions.effort).min_invocations
        for workload in plan.workloads:
            key = plan.key_of(workload)
            available = len(journal.result(key, conditions.confirming, stacks).invocations)
            reused += available
            needed += max(available, least)
            reasons = Counter(journal.dropped(key, conditions.confirming, stacks))
            dropped += [
                f"{workload.name}: dropped {counted(count, 'earlier invocation')}: {reason}"
                for reason, count in reasons.items()
            ]
    if reused or conditions.confirming is None:
        yield f"reusing {reused} of {counted(needed, 'invocation')} from the session of {journal.resumed}"
    yield from dropped
