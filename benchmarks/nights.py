"""Nights that are drawn at recorded noise: series that change or do not, on a machine that changes or does not.

Nights of `SERIES` series are drawn at the noise that was recorded on two machine classes. They do not depend on each
other, unless the machine's state does.
"""

import math
import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from benchmarks.gate.samples import BASELINE_ARM, load, log_ratio, variants_of
from perf.files import ROOT
from perf.history.accepted import AcceptedLevels
from perf.history.nights import night_of
from perf.history.schema import SIDE_BY_SIDE, Comparison, RunHeader, columns_of
from perf.history.series import Night, Series, series_of
from perf.judge.variance_prior import variance_of
from perf.runs.baseline import BASELINES, usable_runs
from perf.runs.store import numbered_files

SEED = 20261127
# The comparisons of the nightly tier, and of these one in eight changes when a change is drawn.
SERIES = 168
CHANGED = 8
# Invocations of a night in the nightly tier.
INVOCATIONS = 4
STORED = "intel-xeon-6.207-2c-1n-amx"
RECORDINGS = ROOT / "benchmarks" / "gate" / "recordings"
QUIET, ALL = ("quiet", "injected"), ("quiet", "injected", "loaded")
START = datetime(2026, 11, 27, tzinfo=UTC)

# What draws one night of a series, in the machine's state of one of the recorded sessions.
Draw = Callable[[random.Random, float], "Drawn"]
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


def side_by_side(folder: Path, kinds: Sequence[str]) -> list[Draw]:
    """Return a draw for each variant of a recording: invocations over the equal baseline arm, without their mean."""
    draws = []
    for every in load(folder).values():
        for variant in variants_of(every):
            ratios = [log_ratio(i, variant + BASELINE_ARM, variant) for i in every if i.kind in kinds]
            known = [ratio for ratio in ratios if ratio is not None]
            draws.append(_invocations([ratio - statistics.fmean(known) for ratio in known]))
    return draws


def _invocations(pool: Sequence[float]) -> Draw:
    def draw(source: random.Random, _: float) -> Drawn:
        drawn = source.choices(pool, k=INVOCATIONS)
        return Drawn(statistics.fmean(drawn), variance_of(drawn)[0], INVOCATIONS)

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
    """A noise: a draw for each recorded ratio, what the ratios are `over`, and the `states` of the machine."""

    over: str
    draws: Sequence[Draw]
    states: States = restless


def history(
    noise: Noise, nights: int, source: random.Random, change: Callable[[int], float] | None = None
) -> list[Series]:
    """Return drawn series. `change` is what every eighth of them changes by, by night."""
    states, draws, over = noise.states(source, nights), noise.draws, noise.over
    return [
        Series(
            f"case-{number}",
            over,
            tuple(
                Night(_header(night), _line(number, draws[number % len(draws)](source, states[night]), over, by))
                for night in range(nights)
                for by in [change(night) if change and number % CHANGED == 0 else 0.0]
            ),
            anchored=over == SIDE_BY_SIDE,
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


def _line(number: int, drawn: Drawn, over: str, by: float) -> Comparison:
    return Comparison(
        case=f"case-{number}",
        over=over,
        family="cnn",
        verdict=None,
        log_ratio=drawn.value + by,
        variance=drawn.variance,
        invocations=drawn.invocations,
        stack="drawn",
        over_stack="drawn",
        over_latency_s=math.exp(drawn.machine),
    )


def recorded_noises() -> dict[str, Noise]:
    """Return the noises that were recorded, and that of stored ratios."""
    noises = {
        f"side by side, {folder.name}, {kind}": Noise(SIDE_BY_SIDE, side_by_side(folder, kinds))
        for folder in sorted(RECORDINGS.iterdir())
        for kind, kinds in (("quiet", QUIET), ("with load", ALL))
    }
    return {**noises, f"stored ratios, {STORED}": Noise("native-fp32", stored(STORED))}


def deviations_of(draws: Sequence[Draw]) -> list[float]:
    """Return the standard deviation of a night of each draw, in one state of the machine."""
    source = random.Random(SEED)
    return [statistics.stdev(draw(source, 0.0).value for _ in range(1000)) for draw in draws]


_RUN = usable_runs(BASELINES / STORED, STORED)[-1]
FIELDS, STACKS = columns_of({"drawn": next(iter(_RUN.cases.values())).stack})
