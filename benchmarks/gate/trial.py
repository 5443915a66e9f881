"""Try the gate, and the rules of other tools, on recorded invocations (benchmarks/gate/record.py).

`uv run python -m benchmarks.gate.trial FOLDER` prints tables of false alarms, of slowdowns that were missed, and of
false alarms over whole nights. It measures nothing; the draws are seeded.
"""

import math
import random
import statistics
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from benchmarks.gate.recording import RecordedInvocation
from benchmarks.gate.rules import OTHERS, Trial, verdict
from benchmarks.gate.samples import Recording, load, spread_text
from perf.judge.spread import Spread, fit_spread
from perf.judge.verdict import LOOKS, Tolerance
from perf.measure.tiers import effort_of
from perf.plugin.outcome import OF_BASELINE
from perf.report.console import widened
from perf.runs.baseline import TOLERANCES
from perf.runs.tolerances import read_tolerances

# What the gate judges of each workload of the nightly tier: variant over reference.
PAIRS = (("mkl-fp32", "native-fp32"), ("mkl-int8", "native-fp32"), ("mkl-int8", "mkl-fp32"))
SLOWED = ("mkl-fp32+3%", "mkl-fp32+5%", "mkl-fp32+10%")
NIGHTLY_WORKLOADS = 56
COMPARISONS = NIGHTLY_WORKLOADS * len(PAIRS)
BASELINE = 4
DRAWS = 100
NIGHTS = 1000
SEED = 20190713

NATIVE, ORIGINAL = "native-fp32", "mkl-fp32"
TWIN = ORIGINAL + OF_BASELINE
Recordings = Mapping[str, Recording]
# Of a trial: invocations in the baseline, at the first look, and measured again.
Sizes = tuple[int, int, int]


def main(folder: Path) -> None:
    console = widened(Console())
    recordings = load(folder)
    tolerance = read_tolerances(TOLERANCES).of("cnn", "")
    effort = effort_of("nightly")
    first, again = effort.min_invocations, effort.again_invocations * LOOKS
    console.print(f"{first} invocations, up to {again} more while unsettled, against {BASELINE}; tolerance {tolerance}")
    print_recordings(recordings, console)
    sizes = (BASELINE, first, again)
    spread = fit_spread(_groups(recordings))
    console.print(f"prior of all cases: sd {spread.variance**0.5:.2%}, worth {spread.degrees:.1f} degrees of freedom")
    print_rules(recordings, sizes, spread, tolerance, console)
    print_nights(recordings, sizes, tolerance, console)


def print_recordings(recordings: Recordings, console: Console) -> None:
    """What was recorded, and how much an invocation's speedup varies and drifts."""
    quiet = Table("workload", "variant over reference", "quiet", "sd", "loaded", "sd", "second half : first")
    for workload, recording in recordings.items():
        for variant, reference in (*PAIRS, (ORIGINAL, TWIN)):
            calm = [i for i in recording.invocations if i.kind != "loaded"]
            groups = [calm, [i for i in recording.invocations if i.kind == "loaded"]]
            values = [Trial.speedups(group, reference, variant) for group in groups]
            middle = len(values[0]) // 2
            drift = statistics.median(values[0][middle:]) - statistics.median(values[0][:middle])
            cells = [cell for group in values for cell in (str(len(group)), spread_text(group))]
            quiet.add_row(workload, f"{variant} over {reference}", *cells, f"{math.exp(drift):.3f}")
    console.print(quiet)
    beside = Table("second look at", "variant over twin", "invocations", "blocks in each", "median", "sd")
    for workload, recording in recordings.items():
        for variant in SLOWED:
            found = Trial.speedups(recording.second_looks, TWIN, variant)
            blocks = statistics.fmean(len(invocation.blocks) for invocation in recording.second_looks)
            middle_text = f"{math.expm1(statistics.median(found)):+.1%}"
            beside.add_row(workload, variant, str(len(found)), f"{blocks:.1f}", middle_text, spread_text(found))
    console.print(beside)


def print_rules(recordings: Recordings, sizes: Sizes, spread: Spread, tolerance: Tolerance, console: Console) -> None:
    """False alarms and misses of every rule, on the same draws."""
    table = Table(
        Column("rule", no_wrap=True),
        "false alarms",
        *(f"missed, {name.removeprefix(ORIGINAL + '+')}" for name in SLOWED),
    )
    draw = random.Random(SEED)
    drawn = [recording for recording in recordings.values() for _ in range(DRAWS)]
    same = [_unchanged(i, sizes, reference, variant, draw) for variant, reference in PAIRS for i in drawn]
    slower = [[_slower(i, sizes, slowed, draw) for i in drawn] for slowed in SLOWED]
    verdicts = [[verdict(trial, spread, tolerance, COMPARISONS) for trial in trials] for trials in (same, *slower)]
    kinds = [Counter(kind for kind, _ in found) for found in verdicts]
    hits = [count["regressed"] for count in kinds]
    table.add_row("this suite's gate", *_cells(hits, (same, *slower)))
    for name, rule in OTHERS.items():
        hits = [sum(rule(trial) for trial in trials) for trials in (same, *slower)]
        table.add_row(name, *_cells(hits, (same, *slower)))
    console.print(table)
    for name, count, found in zip(("no change", *SLOWED), kinds, verdicts, strict=True):
        told = ", ".join(f"{n} {kind}" for kind, n in count.most_common())
        mean = sum(invocations for _, invocations in found) / len(found)
        console.print(f"the gate's verdicts, {name}: {told}; {mean:.1f} invocations on average")


def print_nights(recordings: Recordings, sizes: Sizes, tolerance: Tolerance, console: Console) -> None:
    """How many of `NIGHTS` nights with nothing wrong raise an alarm: each a whole matrix of resampled comparisons."""
    draw = random.Random(SEED)
    pairs = [(workload, *pair) for workload in recordings for pair in PAIRS]
    alarms = improvements = 0
    for _ in range(NIGHTS):
        trials = [
            _unchanged(recordings[workload], sizes, reference, variant, draw)
            for workload, variant, reference in draw.choices(pairs, k=COMPARISONS)
        ]
        spread = fit_spread(trial.speedups(trial.then, trial.reference, trial.variant) for trial in trials)
        kinds = Counter(verdict(trial, spread, tolerance, COMPARISONS)[0] for trial in trials)
        alarms += kinds["regressed"] > 0
        improvements += kinds["improved"] > 0
    console.print(
        f"{NIGHTS} nights of {COMPARISONS} comparisons with nothing changed: {alarms} with a false alarm, "
        f"{improvements} with a false improvement"
    )


def _unchanged(recording: Recording, sizes: Sizes, reference: str, variant: str, draw: random.Random) -> Trial:
    """A comparison with nothing changed: the baseline from one half of the recorded time, now from the other half."""
    then, first, again = sizes
    middle = len(recording.invocations) // 2
    halves = [recording.invocations[:middle], recording.invocations[middle:]]
    draw.shuffle(halves)
    now = draw.sample(halves[1], first + again)
    return Trial(
        draw.sample(_counting(halves[0], reference, variant), then),
        now[:first],
        now[first:],
        now,
        reference,
        variant,
        variant,
    )


def _slower(recording: Recording, sizes: Sizes, slowed: str, draw: random.Random) -> Trial:
    """A comparison of the slowed variant with a baseline from other invocations of the original."""
    then, first, again = sizes
    now = draw.sample([i for i in recording.invocations if slowed in i.blocks[0].slots], first + again)
    others = [i for i in recording.invocations if i not in now]
    others = draw.sample(_counting(others, NATIVE, ORIGINAL), then)
    return Trial(others, now[:first], draw.sample(recording.second_looks, again), now, NATIVE, ORIGINAL, slowed)


def _counting(invocations: Sequence[RecordedInvocation], reference: str, variant: str) -> list[RecordedInvocation]:
    """Those with enough undisturbed blocks: a baseline stores no others."""
    return [i for i in invocations if Trial.speedups([i], reference, variant)]


def _groups(recordings: Recordings) -> Iterator[list[float]]:
    """The log speedups of every workload and pair: what a baseline's cases would say about the spread."""
    for recording in recordings.values():
        for variant, reference in PAIRS:
            yield Trial.speedups(recording.invocations, reference, variant)


def _cells(hits: Sequence[int], trials: Sequence[Sequence[Trial]]) -> list[str]:
    alarms = f"{hits[0]} of {len(trials[0])} ({hits[0] / len(trials[0]):.1%})"
    missed = [f"{len(t) - n} of {len(t)} ({1 - n / len(t):.1%})" for n, t in zip(hits[1:], trials[1:], strict=True)]
    return [alarms, *missed]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
