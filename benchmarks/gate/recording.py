"""Recorded invocations: one line of JSON each, appended as soon as the invocation is measured."""

import math
import os
from pathlib import Path

import msgspec

from perf.measure.results import Block, Invocation


class RecordedSlot(msgspec.Struct, frozen=True, array_like=True):
    """A slot: `latency_ns` is its median pass, `passes` the number of counted passes, and `lost_share` the fraction of
    the slot that was lost to other programs or the hypervisor; None if unknown.
    """

    latency_ns: int
    passes: int
    lost_share: float | None


class RecordedBlock(msgspec.Struct, frozen=True, array_like=True):
    """A block: whether it was `disturbed`, and its `slots` by variant."""

    disturbed: bool
    slots: dict[str, RecordedSlot]

    def log_ratio(self, reference: str, variant: str) -> float:
        """Return log(reference latency / variant latency)."""
        return math.log(self.slots[reference].latency_ns / self.slots[variant].latency_ns)


class RecordedInvocation(msgspec.Struct, frozen=True, eq=False):
    """An invocation of a `workload`. `kind` names the conditions, such as "quiet" or "loaded"; `started_s` is the Unix
    time when it started; `blocks` are what was measured.
    """

    workload: str
    kind: str
    started_s: float
    blocks: list[RecordedBlock]


def recorded(workload: str, kind: str, started_s: float, invocation: Invocation) -> RecordedInvocation:
    """Return what is recorded of an invocation."""
    return RecordedInvocation(workload, kind, round(started_s, 1), [_block(block) for block in invocation.blocks])


def _block(block: Block) -> RecordedBlock:
    slots = {
        name: RecordedSlot(
            round(slot.latency_ns),
            sum(map(len, slot.instances_ns)),
            None if slot.lost_share is None else round(slot.lost_share, 4),
        )
        for name, slot in block.slots.items()
    }
    return RecordedBlock(block.disturbed, slots)


def append(path: Path, invocation: RecordedInvocation) -> None:
    """Append an invocation to a file, and wait until it is on disk."""
    with path.open("ab") as stream:
        stream.write(msgspec.json.encode(invocation) + b"\n")
        stream.flush()
        os.fsync(stream.fileno())


def read(path: Path) -> list[RecordedInvocation]:
    """Return all invocations of a file; none if it does not exist. An incomplete last line is ignored."""
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")[:-1]
    return [msgspec.json.decode(line, type=RecordedInvocation) for line in lines]
