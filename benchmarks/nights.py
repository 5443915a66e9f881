"""Nights that are drawn at recorded noise: series that change or do not, on a machine that changes or does not.

Nights of `SERIES` series are drawn at the noise that was recorded on two machine classes. They do not depend on each
other, unless the machine's state does. Nights side by side are judged by the gate, with confirmations as the nightly
tier pays for them.
"""

import math
import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from benchmarks.gate.runs import confirm
from benchmarks.gate.samples import BASELINE_ARM, load, log_ratio, variants_of
from perf.files import ROOT
from perf.history.accepted import AcceptedLevels
from perf.history.nights import night_of
from perf.history.schema import SIDE_BY_SIDE, Comparison, RunHeader, columns_of
from perf.history.series import Night, Series, series_of
from perf.judge.statistics import trimmed_mean
from perf.measure.tiers import effort_of
from perf.runs.baseline import BASELINES, TOLERANCES, usable_runs
from perf.runs.store import numbered_files
from perf.runs.tolerances import read_tolerances

SEED = 20261127
# The comparisons of the nightly tier, and of these one in eight changes when a change is drawn.
SERIES = 168
CHANGED = 8
EFFORT = effort_of("nightly")
# Invocations of a night before confirmations.
INVOCATIONS = EFFORT.min_invocations
STORED = "intel-xeon-6.207-2c-1n-amx"
RECORDINGS = ROOT / "benchmarks" / "gate" / "recordings"
QUIET, ALL = ("quiet", "injected"), ("quiet", "injected", "loaded")
START = datetime(2026, 11, 27, tzinfo=UTC)

# What draws one night of a series, in the machine's state of one of the recorded sessions.
Draw = Callable[[random.Random, float], "Drawn"]
# What draws one night of all series in that state: the third argument is by how much each has changed.
DrawNight = Callable[[random.Random, float, Sequence[float]], Sequence["Drawn"]]
# What says in which state the machine is in each night of a history: a place among the recorded sessions, 0 to 1.
States = Callable[[random.Random, int], Sequence[float]]


@dataclass(frozen=True)
class Drawn:
    """One night of a series: the `value` of the log ratio, the `variance` between its `invocations`, and the log
    latency of the reference, which shows the `machine`.
    """

    value: float
    variance: float
    invocations: int
    machine: float = 0.0


def side_by_side(folder: Path, kinds: Sequence[str]) -> "Noise":
    """Return the noise of a recording: that of the invocations of each variant over its equal baseline arm, less their
    trimmed mean, which is what a night is.
    """
    pools = []
    for every in load(folder).values():
        for variant in variants_of(every):
            ratios = [log_ratio(i, variant + BASELINE_ARM, variant) for i in every if i.kind in kinds]
            known = [ratio for ratio in ratios if ratio is not None]
            pools.append([ratio - trimmed_mean(known)[0] for ratio in known])
    return Noise(SIDE_BY_SIDE, _confirmed(pools), [statistics.pstdev(pool) / math.sqrt(INVOCATIONS) for pool in pools])


def _confirmed(pools: Sequence[Sequence[float]]) -> DrawNight:
    """Return what draws the invocations of each series from one of these in turn, with those of confirmations."""
    tolerances = read_tolerances(TOLERANCES)

    def draw(source: random.Random, _: float, changes: Sequence[float]) -> list[Drawn]:
        def some(case: tuple[str, str], count: int) -> list[float]:
            number = int(case[0])
            return [value + changes[number] for value in source.choices(pools[number % len(pools)], k=count)]

        cases = [(str(number), "") for number in range(len(changes))]
        samples = {case: some(case, INVOCATIONS) for case in cases}
        confirm(samples, lambda case, _: some(case, EFFORT.confirm_invocations), tolerances, EFFORT)
        return [Drawn(*trimmed_mean(samples[case]), len(samples[case])) for case in cases]

    return draw


def separately(draws: Sequence[Draw]) -> DrawNight:
    """Return what draws a night of each series by one of these in turn, whatever the other series are."""

    def draw(source: random.Random, state: float, changes: Sequence[float]) -> list[Drawn]:
        drawn = [draws[number % len(draws)](source, state) for number in range(len(changes))]
        return [replace(one, value=one.value + by) for one, by in zip(drawn, changes, strict=True)]

    return draw


def stored(machine_class: str) -> list[Draw]:
    """Return a draw for each ratio of the stored runs of a machine class. It follows the machine with the slope that
    fits its sessions best, and is normal around that, as much as they vary.
    """
    files = [night_of(path) for path in numbered_files(BASELINES / machine_class)]
    return [
        _session([night.line for night in series.nights], series.machine)
        for series in series_of(files, AcceptedLevels())
        if series.machine is not None and len(series.nights) == len(files)
    ]


def _session(lines: Sequence[Comparison], machine: Sequence[float]) -> Draw:
    y, z = (np.array(column) - statistics.fmean(column) for column in ([line.log_ratio for line in lines], machine))
    slope = float(z @ y / (z @ z))
    sd = math.sqrt(float(((y - slope * z) ** 2).sum()) / (len(lines) - 2))
    return normal(sd, [(line.variance, line.invocations) for line in lines], slope, list(z))


def normal(
    sd: float, within: Sequence[tuple[float, int]], slope: float = 0.0, machine: Sequence[float] = (0.0,)
) -> Draw:
    """Return a draw with a normal night of this standard deviation around what the machine explains. `within` are the
    variances between invocations with their numbers, `machine` the log latencies of the reference by state.
    """

    def draw(source: random.Random, state: float) -> Drawn:
        now = machine[int(state * len(machine))]
        return Drawn(slope * now + source.gauss(0.0, sd), *source.choice(within), now)

    return draw


def restless(source: random.Random, nights: int) -> list[float]:
    """Return a state of the machine for each night that does not depend on any other night's."""
    return [source.random() for _ in range(nights)]


def exchanged(source: random.Random, nights: int) -> list[float]:
    """Return states of the machine that change a single time, in the middle."""
    first, second = source.random(), source.random()
    return [first if night < nights // 2 else second for night in range(nights)]


@dataclass(frozen=True)
class Noise:
    """A noise: what the ratios are `over`, what draws a `night` of all series, the standard `deviations` of a night in
    one state of the machine (before confirmations, if there are some), and the `states` of the machine.
    """

    over: str
    night: DrawNight
    deviations: Sequence[float]
    states: States = restless


def history(
    noise: Noise, nights: int, source: random.Random, change: Callable[[int], float] | None = None
) -> list[Series]:
    """Return drawn series. `change` is what every eighth of them changes by, by night."""
    changed = [[change(night) if change and not n % CHANGED else 0.0 for n in range(SERIES)] for night in range(nights)]
    states = noise.states(source, nights)
    drawn = [noise.night(source, states[night], changed[night]) for night in range(nights)]
    return [
        Series(
            f"case-{number}",
            noise.over,
            tuple(Night(_header(night), _line(number, drawn[night][number], noise.over)) for night in range(nights)),
            anchored=noise.over == SIDE_BY_SIDE,
        )
        for number in range(SERIES)
    ]


def _header(night: int) -> RunHeader:
    return RunHeader(
        machine_class="drawn",
        ended=START + timedelta(days=night),
        run=str(night),
        host_id=None,
        commit=None,
        settings={},
        not_measured={},
        references=[],
        fields=FIELDS,
        stacks=STACKS,
        comparisons=SERIES,
    )


def _line(number: int, drawn: Drawn, over: str) -> Comparison:
    return Comparison(
        case=f"case-{number}",
        over=over,
        family="cnn",
        verdict=None,
        log_ratio=drawn.value,
        variance=drawn.variance,
        invocations=drawn.invocations,
        stack="drawn",
        over_stack="drawn",
        over_latency_s=math.exp(drawn.machine),
    )


def recorded_noises() -> dict[str, Noise]:
    """Return the noises that were recorded, and that of stored ratios."""
    noises = {
        f"side by side, {folder.name}, {kind}": side_by_side(folder, kinds)
        for folder in sorted(RECORDINGS.iterdir())
        for kind, kinds in (("quiet", QUIET), ("with load", ALL))
    }
    draws = stored(STORED)
    source = random.Random(SEED)
    deviations = [statistics.stdev(draw(source, 0.0).value for _ in range(1000)) for draw in draws]
    return {**noises, f"stored ratios, {STORED}": Noise("native-fp32", separately(draws), deviations)}


_RUN = usable_runs(BASELINES / STORED, STORED)[-1]
FIELDS, STACKS = columns_of({"drawn": next(iter(_RUN.cases.values())).stack})
