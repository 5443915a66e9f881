"""What was measured, as plain data: passes in slots, slots in blocks, blocks in invocations."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import msgspec

from perf.judge.statistics import median

# Why measuring a workload, or a case of it, stopped (perf.measure.outcome says what each word means).
StopReason = Literal[
    "precise", "invocations", "budget", "nothing left", "decided", "confirmations", "confirmation budget"
]
# No pass takes longer.
MOST_NS = 7 * 24 * 3600 * 1_000_000_000
# The kernel counts stolen time in steps of one clock tick.
TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def lost_share(held_up_ns: int | None, stolen_ns: int | None, duration_ns: int) -> float | None:
    """Return the fraction of the passes' time that other programs took; None where the kernel does not count it.

    A single tick of stolen time is ignored: it may stand for any shorter time.
    """
    stolen_ns = None if stolen_ns is None else max(0, stolen_ns - TICK_NS)
    lost = [ns for ns in (held_up_ns, stolen_ns) if ns is not None]
    return sum(lost) / duration_ns if lost else None


@dataclass(frozen=True)
class Slot:
    """One variant's passes in one block.

    instances_ns: the durations of counted passes in ns, one tuple for each instance.
    lost_share: the fraction of its time for which other programs or the hypervisor held up an instance; None where the
        kernel does not count that.
    turns_ns: the latencies of its turns in ns, when it had several in the block.
    """

    instances_ns: tuple[tuple[int, ...], ...]
    lost_share: float | None
    turns_ns: tuple[float, ...] = ()

    @property
    def latency_ns(self) -> float:
        """Return the mean over instances of the median pass, as in the announcement's appendix. For several turns,
        return the geometric mean of their latencies: a fast turn has more passes, and must not weigh more.
        """
        if self.turns_ns:
            return math.exp(sum(map(math.log, self.turns_ns)) / len(self.turns_ns))
        return sum(median(passes) for passes in self.instances_ns) / len(self.instances_ns)

    @property
    def fastest_ns(self) -> float:
        """Return the latency of its fastest turn in ns."""
        return min(self.turns_ns, default=self.latency_ns)


def merged(slots: Sequence[Slot]) -> Slot:
    """Return several turns of one variant in a block as one slot, with all passes and the largest lost fraction."""
    if len(slots) == 1:
        return slots[0]
    instances = range(len(slots[0].instances_ns))
    lost = [slot.lost_share for slot in slots if slot.lost_share is not None]
    passes = tuple(tuple(ns for slot in slots for ns in slot.instances_ns[instance]) for instance in instances)
    return Slot(passes, max(lost, default=None), tuple(slot.latency_ns for slot in slots))


@dataclass(frozen=True)
class Block:
    """Every variant of a workload measured once, back to back.

    slots: the slots by variant, in the order in which they ran.
    disturbed: whether one of the slots is disturbed.
    """

    slots: Mapping[str, Slot]
    disturbed: bool = False


@dataclass(frozen=True)
class WarmUp:
    """The untimed passes before a variant's first slot.

    passes: how many.
    duration_ns: how long they took together.
    steady: whether the pace was steady at the end.
    """

    passes: int
    duration_ns: int
    steady: bool


@dataclass(frozen=True)
class Invocation:
    """What one fresh set of worker processes measured of a workload.

    blocks: its blocks.
    warm_ups: the warm-ups, by variant.
    peak_memory_bytes: the peak memory of all processes of a variant, by variant.
    elapsed_s: the wall time that it took.
    disturbed: whether it has fewer undisturbed blocks than its effort asks for.
    """

    blocks: tuple[Block, ...]
    warm_ups: Mapping[str, WarmUp]
    peak_memory_bytes: Mapping[str, int]
    elapsed_s: float = 0.0
    disturbed: bool = False


def possible(invocation: Invocation) -> bool:
    """Return whether an invocation that was read from a file can have been measured: every instance of a slot has
    passes, and none took no time or longer than a week.
    """
    slots = [slot for block in invocation.blocks for slot in block.slots.values()]
    times = [ns for slot in slots for ns in (*slot.turns_ns, *(ns for one in slot.instances_ns for ns in one))]
    return all(slot.instances_ns and all(slot.instances_ns) for slot in slots) and all(0 < ns < MOST_NS for ns in times)


class Failure(msgspec.Struct, frozen=True, rename={"last_lines": "last_words"}):
    """Why a variant has no result.

    what: what happened, and in which stage.
    last_lines: the last lines that the worker wrote; `last_words` in a journal.
    """

    what: str
    last_lines: str


@dataclass(frozen=True)
class WorkloadResult:
    """All invocations of a workload.

    invocations: the invocations; a variant that failed is in no later block.
    failures: the failures, by variant.
    stopped: why no further invocation was measured; None when that is unknown.
    """

    invocations: tuple[Invocation, ...]
    failures: Mapping[str, Failure]
    stopped: StopReason | None = None

    @property
    def undisturbed(self) -> "WorkloadResult":
        """Return the result without disturbed invocations and disturbed blocks."""
        invocations = [
            replace(invocation, blocks=tuple(block for block in invocation.blocks if not block.disturbed))
            for invocation in self.invocations
            if not invocation.disturbed
        ]
        return replace(self, invocations=tuple(invocations))

    def log_ratios(self, reference: str, variant: str) -> list[list[float]]:
        """Return log(reference latency / variant latency) for every block with both, a list for each invocation."""
        return [
            [
                math.log(block.slots[reference].latency_ns / block.slots[variant].latency_ns)
                for block in invocation.blocks
                if reference in block.slots and variant in block.slots
            ]
            for invocation in self.invocations
        ]

    def floors(self, reference: str, variant: str) -> list[tuple[float, float]]:
        """Return the latencies in seconds of the fastest slots of both, for each invocation with blocks of both."""
        floors = []
        for invocation in self.invocations:
            slots = [block.slots for block in invocation.blocks if reference in block.slots and variant in block.slots]
            if slots:
                fastest = [min(slot[name].fastest_ns for slot in slots) / 1e9 for name in (reference, variant)]
                floors.append((fastest[0], fastest[1]))
        return floors

    def blocks_of(self, variant: str) -> list[list[Slot]]:
        """Return the variant's slots, a list for each invocation that has any."""
        by_invocation = [[b.slots[variant] for b in i.blocks if variant in b.slots] for i in self.invocations]
        return [slots for slots in by_invocation if slots]
