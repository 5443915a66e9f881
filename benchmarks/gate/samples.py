"""What the gate and other rules see of recorded invocations."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from benchmarks.gate.recording import SECOND_LOOK, RecordedInvocation, read
from perf.measure.tiers import effort_of

MIN_BLOCKS = effort_of("nightly").min_blocks


@dataclass(frozen=True)
class Recording:
    """Of one workload, in the order they were measured: invocations of all variants, and those of second looks."""

    invocations: Sequence[RecordedInvocation]
    second_looks: Sequence[RecordedInvocation]


def load(folder: Path) -> dict[str, Recording]:
    """All recordings by workload."""
    paths = [path for path in sorted(folder.glob("*.jsonl")) if not path.stem.endswith(SECOND_LOOK)]
    return {path.stem: Recording(read(path), read(path.with_stem(path.stem + SECOND_LOOK))) for path in paths}


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


def spread_text(values: Sequence[float]) -> str:
    """The standard deviation of log values, in percent of the speedup; "-" when there are fewer than two."""
    return f"{statistics.stdev(values):.1%}" if len(values) > 1 else "-"
