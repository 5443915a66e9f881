"""What was measured, as plain data: samples in slots, slots in blocks, blocks in invocations."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from perf.judge.statistics import median

# The kernel counts stolen time in steps of this.
TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def lost_share(held_up_ns: int | None, stolen_ns: int | None, duration_ns: int) -> float | None:
    """What others took of the time of some passes, as a share; None where the kernel does not count. Of stolen time, a
    single tick says nothing: it may hold any shorter time.
    """
    stolen_ns = None if stolen_ns is None else max(0, stolen_ns - TICK_NS)
    lost = [ns for ns in (held_up_ns, stolen_ns) if ns is not None]
    return sum(lost) / duration_ns if lost else None


@dataclass(frozen=True)
class Slot:
    """One variant's turn in one block: counted pass durations in ns, one tuple for each instance.

    `lost_share`: the share of its time for which other programs or the hypervisor held up an instance, None where the
    kernel does not count. `turns_ns`: the latencies of its turns, when it had several.
    """

    instances_ns: tuple[tuple[int, ...], ...]
    lost_share: float | None
    turns_ns: tuple[float, ...] = ()

    @property
    def latency_ns(self) -> float:
        """The mean over instances of each one's median pass, as the announcement's appendix averages instances; the
        geometric mean of several turns, whatever their numbers of passes: a fast turn has more of them.
        """
        if self.turns_ns:
            return math.exp(sum(map(math.log, self.turns_ns)) / len(self.turns_ns))
        return sum(median(passes) for passes in self.instances_ns) / len(self.instances_ns)

    @property
    def fastest_ns(self) -> float:
        """The latency of its fastest turn."""
        return min(self.turns_ns, default=self.latency_ns)


def merged(slots: Sequence[Slot]) -> Slot:
    """Several turns of one variant in a block, as one slot: all their passes; the largest share lost."""
    if len(slots) == 1:
        return slots[0]
    instances = range(len(slots[0].instances_ns))
    lost = [slot.lost_share for slot in slots if slot.lost_share is not None]
    passes = tuple(tuple(ns for slot in slots for ns in slot.instances_ns[instance]) for instance in instances)
    return Slot(passes, max(lost, default=None), tuple(slot.latency_ns for slot in slots))


@dataclass(frozen=True)
class Block:
    """Every variant of a workload measured once, back to back: slots by variant, in the order they ran.

    A block is disturbed when one of its slots is.
    """

    slots: Mapping[str, Slot]
    disturbed: bool = False


@dataclass(frozen=True)
class WarmUp:
    """The untimed passes before a variant's first slot: how many, how long in all, and whether the pace was steady."""

    passes: int
    duration_ns: int
    steady: bool


@dataclass(frozen=True)
class Invocation:
    """One fresh set of worker processes' share of a workload, and the wall time it took. It is disturbed when it has
    fewer undisturbed blocks than its effort asks for.
    """

    blocks: tuple[Block, ...]
    warm_ups: Mapping[str, WarmUp]
    peak_memory_bytes: Mapping[str, int]
    elapsed_s: float = 0.0
    disturbed: bool = False


@dataclass(frozen=True)
class Failure:
    """Why a variant has no result: what happened, in which stage, and the worker's last words."""

    what: str
    last_words: str


@dataclass(frozen=True)
class WorkloadResult:
    """All invocations of a workload; variants that failed are in `failures` and in no later block."""

    invocations: tuple[Invocation, ...]
    failures: Mapping[str, Failure]

    @property
    def undisturbed(self) -> "WorkloadResult":
        """The same without disturbed invocations, and without disturbed blocks in the others."""
        kept = [
            replace(invocation, blocks=tuple(block for block in invocation.blocks if not block.disturbed))
            for invocation in self.invocations
            if not invocation.disturbed
        ]
        return replace(self, invocations=tuple(kept))

    def log_ratios(self, reference: str, variant: str) -> list[list[float]]:
        """log(reference latency / variant latency) of every block that holds both, a list for each invocation."""
        return [
            [
                math.log(block.slots[reference].latency_ns / block.slots[variant].latency_ns)
                for block in invocation.blocks
                if reference in block.slots and variant in block.slots
            ]
            for invocation in self.invocations
        ]

    def floors(self, reference: str, variant: str) -> list[tuple[float, float]]:
        """The latencies in seconds of the fastest slots of both, of each invocation that has blocks with both."""
        found = []
        for invocation in self.invocations:
            slots = [block.slots for block in invocation.blocks if reference in block.slots and variant in block.slots]
            if slots:
                fastest = [min(slot[name].fastest_ns for slot in slots) / 1e9 for name in (reference, variant)]
                found.append((fastest[0], fastest[1]))
        return found

    def blocks_of(self, variant: str) -> list[list[Slot]]:
        """The variant's slots, a list for each invocation that has any."""
        found = [[b.slots[variant] for b in i.blocks if variant in b.slots] for i in self.invocations]
        return [slots for slots in found if slots]
