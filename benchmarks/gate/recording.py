"""The recorded invocations that the gate is tried on: one line of JSON each, appended as soon as it is measured."""

import math
import os
from pathlib import Path

import msgspec

from perf.measure.results import Block, Invocation


class RecordedSlot(msgspec.Struct, frozen=True, array_like=True):
    """A slot: its median pass in ns, the passes counted, and the share of its time that others took."""

    latency_ns: int
    passes: int
    lost_share: float | None


class RecordedBlock(msgspec.Struct, frozen=True, array_like=True):
    disturbed: bool
    slots: dict[str, RecordedSlot]

    def log_ratio(self, reference: str, variant: str) -> float:
        """log(reference latency / variant latency)."""
        return math.log(self.slots[reference].latency_ns / self.slots[variant].latency_ns)


class RecordedInvocation(msgspec.Struct, frozen=True, eq=False):
    """One fresh set of workers. `kind` says under which conditions, `started_s` when (Unix time, in seconds)."""

    workload: str
    kind: str
    started_s: float
    blocks: list[RecordedBlock]


def recorded(workload: str, kind: str, started_s: float, invocation: Invocation) -> RecordedInvocation:
    """What is kept of an invocation."""
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
    """Add an invocation to a file, on the disk when this returns."""
    with path.open("ab") as stream:
        stream.write(msgspec.json.encode(invocation) + b"\n")
        stream.flush()
        os.fsync(stream.fileno())


def read(path: Path) -> list[RecordedInvocation]:
    """All invocations of a file; none when it does not exist. A last line that a kill cut short does not count."""
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")[:-1]
    return [msgspec.json.decode(line, type=RecordedInvocation) for line in lines]
