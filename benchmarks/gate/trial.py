"""Try the gate, and the rules of other tools, on recorded invocations (benchmarks/gate/record.py).

`uv run python -m benchmarks.gate.trial FOLDER` prints tables of false alarms, of slowdowns that were missed, and of
false alarms over whole nights. It measures nothing; the draws are seeded.
"""

import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.gate.recording import RecordedInvocation
from benchmarks.gate.rules import OTHERS, Trial, verdict
from benchmarks.gate.samples import load, log_speedup, spread_percent
from perf.judge.spread import Spread, fit_spread
from perf.judge.verdict import Tolerance
from perf.measure.tiers import effort_of
from perf.runs.baseline import TOLERANCES
from perf.runs.tolerances import read_tolerances

# What the gate judges of each workload of the nightly tier: variant over reference.
PAIRS = (("mkl-fp32", "native-fp32"), ("mkl-int8", "native-fp32"), ("mkl-int8", "mkl-fp32"))
SLOWED = ("mkl-fp32+3%", "mkl-fp32+5%", "mkl-fp32+10%")
NIGHTLY_WORKLOADS = 56
COMPARISONS = NIGHTLY_WORKLOADS * len(PAIRS)
BASELINE = 8
DRAWS = 100
NIGHTS = 1000
SEED = 20190713

Recordings = dict[str, list[RecordedInvocation]]


def main(folder: Path) -> None:
    console = Console(width=120)
    recordings = load(folder)
    tolerance = read_tolerances(TOLERANCES).of("cnn", "")
    effort = effort_of("nightly")
    first, again = effort.min_invocations, effort.again_invocations
    console.print(f"{first} invocations, {again} more when suspicious, against {BASELINE}; tolerance {tolerance}")
    print_recordings(recordings, console)
    sizes = (BASELINE, first, again)
    spread = fit_spread(_groups(recordings))
    console.print(f"prior of all cases: sd {spread.variance**0.5:.2%}, worth {spread.degrees:.1f} degrees of freedom")
    print_rules(recordings, sizes, spread, tolerance, console)
    print_nights(recordings, sizes, tolerance, console)


def print_recordings(recordings: Recordings, console: Console) -> None:
    """What was recorded, and how much an invocation's speedup varies."""
    table = Table(
        "workload", "variant over reference", "invocations", "spread (sd) quiet", "under load", "lost to load"
    )
    for workload, invocations in recordings.items():
        for variant, reference in PAIRS:
            quiet = [i for i in invocations if i.kind != "loaded"]
            loaded = [i for i in invocations if i.kind == "loaded"]
            values = [
                [v for v in (log_speedup(i, reference, variant) for i in g) if v is not None] for g in (quiet, loaded)
            ]
            table.add_row(
                workload,
                f"{variant} over {reference}",
                f"{len(quiet)} + {len(loaded)}",
                *(f"{spread_percent(group):.2f} %" for group in values),
                str(len(loaded) - len(values[1])),
            )
    console.print(table)


def print_rules(
    recordings: Recordings, sizes: tuple[int, int, int], spread: Spread, tolerance: Tolerance, console: Console
) -> None:
    """False alarms and misses of every rule, on the same draws."""
    table = Table("rule", "false alarms", *(f"missed, {name.removeprefix('mkl-fp32+')} slower" for name in SLOWED))
    same = [trial for variant, reference in PAIRS for trial in _draws(recordings, sizes, reference, variant, variant)]
    slower = [list(_draws(recordings, sizes, "native-fp32", "mkl-fp32", slowed)) for slowed in SLOWED]
    kinds = [Counter(verdict(trial, spread, tolerance, COMPARISONS) for trial in trials) for trials in (same, *slower)]
    hits = [count["regressed"] for count in kinds]
    table.add_row("this suite's gate", *_cells(hits, (same, *slower)))
    for name, rule in OTHERS.items():
        hits = [sum(rule(trial) for trial in trials) for trials in (same, *slower)]
        table.add_row(name, *_cells(hits, (same, *slower)))
    console.print(table)
    for name, count in zip(("no change", *SLOWED), kinds, strict=True):
        console.print(f"the gate's verdicts, {name}: {', '.join(f'{n} {kind}' for kind, n in count.most_common())}")


def print_nights(recordings: Recordings, sizes: tuple[int, int, int], tolerance: Tolerance, console: Console) -> None:
    """How many of `NIGHTS` nights with nothing wrong raise an alarm: each a whole matrix of resampled comparisons."""
    draw = random.Random(SEED)
    pairs = [(workload, *pair) for workload in recordings for pair in PAIRS]
    alarms = improvements = 0
    for _ in range(NIGHTS):
        trials = [
            _shuffled(recordings[workload], sizes, reference, variant, draw)
            for workload, variant, reference in draw.choices(pairs, k=COMPARISONS)
        ]
        spread = fit_spread(trial.speedups(trial.then, trial.variant) for trial in trials)
        kinds = Counter(verdict(trial, spread, tolerance, COMPARISONS) for trial in trials)
        alarms += kinds["regressed"] > 0
        improvements += kinds["improved"] > 0
    console.print(
        f"{NIGHTS} nights of {COMPARISONS} comparisons with nothing changed: {alarms} with a false alarm, "
        f"{improvements} with a false improvement"
    )


def _draws(
    recordings: Recordings, sizes: tuple[int, int, int], reference: str, variant: str, slowed: str
) -> Iterator[Trial]:
    """`DRAWS` trials for each workload: a baseline of consecutive invocations, and others, consecutive as well."""
    draw = random.Random(f"{SEED} {reference} {slowed}")
    then_size, first, again = sizes
    for invocations in recordings.values():
        capable = [i for i in invocations if slowed in i.blocks[0].slots]
        for _ in range(DRAWS):
            start = draw.randrange(len(invocations) - then_size + 1)
            then = invocations[start : start + then_size]
            others = [i for i in capable if i not in then]
            begin = draw.randrange(len(others) - first - again + 1)
            now = others[begin : begin + first + again]
            yield Trial(then, now[:first], now[first:], reference, variant, slowed)


def _shuffled(
    invocations: Sequence[RecordedInvocation],
    sizes: tuple[int, int, int],
    reference: str,
    variant: str,
    draw: random.Random,
) -> Trial:
    then, first, again = sizes
    drawn = draw.sample(invocations, then + first + again)
    return Trial(drawn[:then], drawn[then : then + first], drawn[then + first :], reference, variant, variant)


def _groups(recordings: Recordings) -> Iterator[list[float]]:
    """The log speedups of every workload and pair: what a baseline's cases would say about the spread."""
    for invocations in recordings.values():
        for variant, reference in PAIRS:
            found = [log_speedup(invocation, reference, variant) for invocation in invocations]
            yield [value for value in found if value is not None]


def _cells(hits: Sequence[int], trials: Sequence[Sequence[Trial]]) -> list[str]:
    alarms = f"{hits[0]} of {len(trials[0])} ({hits[0] / len(trials[0]):.1%})"
    missed = [f"{len(t) - n} of {len(t)} ({1 - n / len(t):.1%})" for n, t in zip(hits[1:], trials[1:], strict=True)]
    return [alarms, *missed]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
