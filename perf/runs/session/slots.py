"""Every slot that a session measured, by invocation and block, so that a drift within the session can be seen.

The run that a session writes holds them. Stored baselines do not: their size matters, and slots judge nothing.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from perf.measure.outcome import Outcome
from perf.measure.results import Invocation
from perf.measure.stacks import BaselineArm

# Significant digits of a stored latency: accurate to a hundred-thousandth, far below any variance.
DIGITS = 5
NS_PER_S = 1e9
# The field of a record that holds them.
FIELD = "slots"


class InvocationSlots(msgspec.Struct, frozen=True):
    """The slots of one invocation: of a case, and of what it is compared with."""

    confirmation: Annotated[bool, Meta(description="whether it confirmed the case, after screening")]
    disturbed: Annotated[
        bool, Meta(description="whether too few of its blocks are undisturbed: then the invocation does not count")
    ]
    elapsed_s: Annotated[float, Meta(description="wall time of the invocation, in seconds")]
    disturbed_blocks: Annotated[list[int], Meta(description="numbers of the disturbed blocks, from 1: none counts")]
    latencies_s: Annotated[
        dict[str, list[float | None]],
        Meta(
            description="latency in every block, in seconds, by variant: the case, its references and its baseline "
            "arm; null where a variant had no slot in the block"
        ),
    ]

    def log_ratios(self, over: str, variant: str) -> list[float | None]:
        """Return log(latency of `over` / latency of `variant`) for every block; null where one of them had no slot. An
        empty list means that one of them was not in the invocation.
        """
        pairs = zip(self.latencies_s.get(over, ()), self.latencies_s.get(variant, ()), strict=False)
        return [math.log(a / b) if a and b and a > 0 and b > 0 else None for a, b in pairs]


def slots_of(outcome: Outcome) -> tuple[InvocationSlots, ...]:
    """Return the slots of a case, an entry for each invocation: screening first, then confirmation."""
    arm = outcome.baseline_arm
    names = [outcome.case.variant, *outcome.variant.over]
    names += [arm.variant.name] if isinstance(arm, BaselineArm) else []
    measured = [(False, outcome.result), (True, outcome.confirmation)]
    return tuple(_slots(one, names, confirmation) for confirmation, result in measured for one in result.invocations)


def _slots(invocation: Invocation, names: Sequence[str], confirmation: bool) -> InvocationSlots:
    present = [name for name in names if any(name in block.slots for block in invocation.blocks)]
    return InvocationSlots(
        confirmation=confirmation,
        disturbed=invocation.disturbed,
        elapsed_s=round(invocation.elapsed_s, 2),
        disturbed_blocks=[number for number, block in enumerate(invocation.blocks, start=1) if block.disturbed],
        latencies_s={
            name: [
                _rounded(block.slots[name].latency_ns / NS_PER_S) if name in block.slots else None
                for block in invocation.blocks
            ]
            for name in present
        },
    )


def without_slots(benchmark: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry of `benchmarks` without the slots of its case."""
    info = {name: value for name, value in benchmark["extra_info"].items() if name != FIELD}
    return {**benchmark, "extra_info": info}


def _rounded(seconds: float) -> float:
    return float(f"{seconds:.{DIGITS}g}")
