"""What the gate, and the rules of other tools, use of recorded invocations."""

import statistics
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from benchmarks.gate.recording import RecordedInvocation, read
from perf.judge.speedup import Floors, ObservedRatio, observe
from perf.judge.statistics import midmean

Recordings = Mapping[str, Sequence[RecordedInvocation]]
# The arms that a recording has of each variant: an equal baseline arm, and the variant with more work.
BASELINE_ARM = "@baseline"
SLOWED = {"3%": "+3%", "5%": "+5%"}


def load(folder: Path) -> Recordings:
    """Return the recordings by workload, each in the order of measurement, without recordings of confirmations only."""
    paths = [path for path in sorted(folder.glob("*.jsonl")) if not path.stem.endswith("-confirmation")]
    return {path.stem: read(path) for path in paths}


def variants_of(invocations: Sequence[RecordedInvocation]) -> list[str]:
    """Return the variants that have a baseline arm, in the order in which they were first recorded."""
    names = dict.fromkeys(name for invocation in invocations for name in invocation.blocks[0].slots)
    return [name for name in names if f"{name}{BASELINE_ARM}" in names]


def reference_of(invocations: Sequence[RecordedInvocation]) -> str:
    """Return the reference of the workload's speedups: native-fp32, or a job on one rank."""
    return "native-fp32" if "native-fp32" in invocations[0].blocks[0].slots else "r1"


@cache
def log_ratio(invocation: RecordedInvocation, over: str, variant: str) -> float | None:
    """Return the invocation's log ratio as the suite stores it: the interquartile mean over undisturbed blocks of
    log(latency of `over` / latency of `variant`). None without such blocks.
    """
    ratios = [
        block.log_ratio(over, variant)
        for block in invocation.blocks
        if not block.disturbed and over in block.slots and variant in block.slots
    ]
    return midmean(ratios) if ratios else None


def observed(invocations: Sequence[RecordedInvocation], over: str, variant: str) -> ObservedRatio | None:
    """Return the log speedup that the suite stores of these invocations: the ratio of the fastest undisturbed slots."""
    floors = floors_s(invocations, over, variant)
    return observe(floors) if floors else None


def floors_s(invocations: Sequence[RecordedInvocation], over: str, variant: str) -> list[Floors]:
    """Return the fastest undisturbed slots of `over` and of `variant` in s, of each invocation that has some."""
    return [floors for invocation in invocations if (floors := _floors_s(invocation, over, variant))]


@cache
def _floors_s(invocation: RecordedInvocation, over: str, variant: str) -> Floors | None:
    slots = [b.slots for b in invocation.blocks if not b.disturbed and over in b.slots and variant in b.slots]
    first, second = (min((slot[name].latency_ns / 1e9 for slot in slots), default=0.0) for name in (over, variant))
    return (first, second) if slots else None


def latencies_ns(invocations: Sequence[RecordedInvocation], variant: str) -> list[int]:
    """Return the latencies of the variant's slots in ns, for rules on absolute times."""
    return [block.slots[variant].latency_ns for i in invocations for block in i.blocks if variant in block.slots]


def percent(values: Sequence[float]) -> str:
    """Return the standard deviation of log values in percent; "-" for fewer than two."""
    return f"{statistics.stdev(values):.2%}" if len(values) > 1 else "-"
