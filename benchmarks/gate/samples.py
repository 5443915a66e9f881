"""What the gate and other rules see of recorded invocations."""

import math
import statistics
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from benchmarks.gate.recording import RecordedInvocation, read
from perf.measure.tiers import effort_of

MIN_BLOCKS = effort_of("nightly").min_blocks


def load(folder: Path) -> dict[str, list[RecordedInvocation]]:
    """All recorded invocations by workload, in the order they were measured."""
    return {path.stem: read(path) for path in sorted(folder.glob("*.jsonl"))}


@cache
def log_speedup(invocation: RecordedInvocation, reference: str, variant: str) -> float | None:
    """The invocation's observation, as the suite stores it: the median over its undisturbed blocks; None if it has too
    few of them to count.
    """
    ratios = [block.log_ratio(reference, variant) for block in invocation.blocks if not block.disturbed]
    return statistics.median(ratios) if len(ratios) >= MIN_BLOCKS else None


def latencies_ns(invocations: Sequence[RecordedInvocation], variant: str) -> list[list[int]]:
    """The variant's slots' latencies in ns, a list for each invocation: what rules on absolute times see."""
    return [[block.slots[variant].latency_ns for block in invocation.blocks] for invocation in invocations]


def spread_percent(values: Sequence[float]) -> float:
    """The standard deviation of log values, in percent of the speedup."""
    return 100 * statistics.stdev(values) if len(values) > 1 else math.nan
