"""Compare estimators on recorded invocations (benchmarks.gate.record): which one varies least if nothing changed.

`uv run python -m benchmarks.gate.estimators FOLDER` prints two tables of standard deviations. Side by side: of
log(equal baseline arm / variant) over invocations, and the same without the slower half of the blocks (those whose
slots are farthest from the fastest ones, which a probe between blocks could detect). Over the reference: of the
speedups of sessions of four invocations each. Nothing is measured.
"""

import math
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.gate.recording import RecordedInvocation
from benchmarks.gate.samples import BASELINE_ARM, Recordings, load, reference_of, variants_of
from perf.judge.statistics import midmean, quantile
from perf.report.console import widened

# Latencies in ns of the slots of two variants, block by block.
Pairs = Sequence[tuple[int, int]]
Estimator = Callable[[Pairs], float]
# Invocations of a session, as in the quick tier.
SESSION = 4


def main(folder: Path) -> None:
    """Print both tables."""
    console = widened(Console())
    recordings = load(folder)
    print_side_by_side(recordings, console)
    print_sessions(recordings, console)


def half_sample_mode(values: Sequence[float]) -> float:
    """Return the mode, by reducing the sample to its densest half repeatedly (Bickel and Fruehwirth, "On a fast, robust
    estimator of the mode", 2006).
    """
    densest = sorted(values)
    while len(densest) > 2:
        half = math.ceil(len(densest) / 2)
        start = min(range(len(densest) - half + 1), key=lambda i: densest[i + half - 1] - densest[i])
        densest = densest[start : start + half]
    return statistics.fmean(densest)


def of_ratios(reduce: Callable[[Sequence[float]], float]) -> Estimator:
    """Return an estimator that reduces the log ratios of blocks."""
    return lambda pairs: reduce([math.log(first / second) for first, second in pairs])


def of_latencies(reduce: Callable[[Sequence[float]], float]) -> Estimator:
    """Return an estimator that reduces the latencies of each variant separately."""
    return lambda pairs: math.log(reduce([a for a, _ in pairs]) / reduce([b for _, b in pairs]))


ESTIMATORS: dict[str, Estimator] = {
    "median of blocks": of_ratios(statistics.median),
    "mean of blocks": of_ratios(statistics.fmean),
    "mean of the middle half": of_ratios(midmean),
    "half-sample mode": of_ratios(half_sample_mode),
    "fastest slots": of_latencies(min),
    "10 % quantiles": of_latencies(lambda values: quantile(values, 0.1)),
    "medians": of_latencies(statistics.median),
}


def print_side_by_side(recordings: Recordings, console: Console) -> None:
    """Print how much the ratio over an equal baseline arm varies between invocations, by estimator."""
    table = Table("workload", "variant", "invocations", *ESTIMATORS, "middle half of the calmer half")
    for workload, every in recordings.items():
        for variant in variants_of(every):
            invocations = [pairs for i in every if len(pairs := pairs_of(i, variant + BASELINE_ARM, variant)) > 1]
            sds = [_sd([estimate(pairs) for pairs in invocations]) for estimate in ESTIMATORS.values()]
            calm = _sd([ESTIMATORS["mean of the middle half"](calmer(pairs)) for pairs in invocations])
            table.add_row(workload, variant, str(len(invocations)), *sds, calm)
    console.print(table)


def print_sessions(recordings: Recordings, console: Console) -> None:
    """Print how much speedups over the reference vary between sessions, by estimator. Latencies are reduced over a
    whole session; ratios are reduced in each invocation, then averaged.
    """
    table = Table("workload", "variant", "sessions", *ESTIMATORS)
    for workload, every in recordings.items():
        reference = reference_of(every)
        for variant in variants_of(every):
            if variant == reference:
                continue
            invocations = [pairs for i in every if (pairs := pairs_of(i, reference, variant))]
            sessions = list(in_sessions(invocations))
            cells = []
            for name, estimate in ESTIMATORS.items():
                whole = name in {"fastest slots", "10 % quantiles", "medians"}
                speedups = [
                    estimate([pair for pairs in session for pair in pairs])
                    if whole
                    else statistics.fmean(map(estimate, session))
                    for session in sessions
                ]
                cells.append(_sd(speedups))
            table.add_row(workload, variant, str(len(sessions)), *cells)
    console.print(table)


def pairs_of(invocation: RecordedInvocation, over: str, variant: str) -> Pairs:
    """Return the latencies of both variants in each undisturbed block that contains both."""
    blocks = [b.slots for b in invocation.blocks if not b.disturbed and over in b.slots and variant in b.slots]
    return [(slots[over].latency_ns, slots[variant].latency_ns) for slots in blocks]


def calmer(pairs: Pairs) -> Pairs:
    """Return the half of the blocks whose slots are nearest to the fastest ones."""
    first, second = (min(column) for column in zip(*pairs, strict=True))
    ordered = sorted(pairs, key=lambda pair: math.log(pair[0] / first) + math.log(pair[1] / second))
    return ordered[: math.ceil(len(ordered) / 2)]


def in_sessions(invocations: Sequence[Pairs]) -> Iterator[Sequence[Pairs]]:
    """Yield sessions of `SESSION` invocations each, in the order of measurement."""
    for start in range(0, len(invocations) - SESSION + 1, SESSION):
        yield invocations[start : start + SESSION]


def _sd(values: Sequence[float]) -> str:
    return f"{statistics.stdev(values):.2%}" if len(values) > 1 else "-"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
