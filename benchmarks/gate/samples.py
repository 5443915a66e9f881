"""What the gate and other rules see of recorded invocations."""

import statistics
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from benchmarks.gate.recording import RecordedInvocation, read
from perf.judge.speedup import ObservedRatio, observe
from perf.judge.statistics import midmean

Recordings = Mapping[str, Sequence[RecordedInvocation]]
# Arms that a recording holds of each variant: its equal twin, and the same variant doing more work.
TWIN = "@baseline"
SLOWED = {"3%": "+3%", "5%": "+5%"}


def load(folder: Path) -> Recordings:
    """All recordings by workload, each in the order of measurement, without those of confirmations by themselves."""
    paths = [path for path in sorted(folder.glob("*.jsonl")) if not path.stem.endswith("-second-look")]
    return {path.stem: read(path) for path in paths}


def variants_of(invocations: Sequence[RecordedInvocation]) -> list[str]:
    """The variants that have a twin, in the order in which they were recorded first."""
    names = dict.fromkeys(name for invocation in invocations for name in invocation.blocks[0].slots)
    return [name for name in names if f"{name}{TWIN}" in names]


def reference_of(invocations: Sequence[RecordedInvocation]) -> str:
    """What the workload's speedups refer to: native, or a job of one rank."""
    return "native-fp32" if "native-fp32" in invocations[0].blocks[0].slots else "r1"


@cache
def log_ratio(invocation: RecordedInvocation, over: str, variant: str) -> float | None:
    """The invocation's observation, as the suite stores it: the mean of the middle half of undisturbed blocks'
    log(latency of `over` / latency of `variant`); None when there are none, or one of the two was not recorded.
    """
    ratios = [
        block.log_ratio(over, variant)
        for block in invocation.blocks
        if not block.disturbed and over in block.slots and variant in block.slots
    ]
    return midmean(ratios) if ratios else None


def observed(invocations: Sequence[RecordedInvocation], over: str, variant: str) -> ObservedRatio | None:
    """The log speedup that the suite stores of these invocations: the ratio of the fastest undisturbed slots."""
    floors = []
    for invocation in invocations:
        slots = [b.slots for b in invocation.blocks if not b.disturbed and over in b.slots and variant in b.slots]
        if slots:
            first, second = (min(slot[name].latency_ns for slot in slots) / 1e9 for name in (over, variant))
            floors.append((first, second))
    return observe(floors) if floors else None


def latencies_ns(invocations: Sequence[RecordedInvocation], variant: str) -> list[int]:
    """The variant's slots' latencies in ns: what rules on absolute times see."""
    return [block.slots[variant].latency_ns for i in invocations for block in i.blocks if variant in block.slots]


def percent(values: Sequence[float]) -> str:
    """The standard deviation of log values in percent; "-" when there are fewer than two."""
    return f"{statistics.stdev(values):.2%}" if len(values) > 1 else "-"
