"""How often the history raises a false alarm, and after how many nights it notices a step or a creep.

    uv run python -m benchmarks.steps [HISTORIES]

Nights of `SERIES` series are drawn at the noise that was recorded on two machine classes, and judged by the code of
`mxperf history check`. HISTORIES is the number of flat histories of each noise. Nights are independent of each other
here. On a real machine they need not be. Beside what is noticed stands what the best possible test would notice.
"""

import math
import random
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.special import ndtr, ndtri
from scipy.stats import chi2

from benchmarks.gate.samples import BASELINE_ARM, load, log_ratio, variants_of
from perf.files import ROOT
from perf.history.accepted import AcceptedLevels
from perf.history.findings import from_anchor
from perf.history.nights import night_of
from perf.history.schema import SIDE_BY_SIDE, Comparison, RunHeader, columns_of
from perf.history.series import ANCHOR_NIGHTS, Night, Series, noise_of, series_of
from perf.judge.regression import Observed
from perf.judge.steps import LEAST_BEFORE, NIGHT_ERROR, WINDOW, raises_alarm
from perf.judge.variance_prior import variance_of
from perf.runs.baseline import BASELINES, TOLERANCES, usable_runs
from perf.runs.store import numbered_files
from perf.runs.tolerances import read_tolerances

SEED = 20261127
# The comparisons of the nightly tier, and of these one in eight changes when a change is drawn.
SERIES = 168
CHANGED = 8
# Nights of a flat history; and flat nights before a change, with those that are waited for it to be noticed.
FLAT = 60
BEFORE, WAITED = (5, 10, 30), 30
# Histories with a change, of each kind, noise and number of nights before.
HISTORIES = 6
# The changes that are wanted; and larger steps, for noisier nights. Each maps nights, the first changed one is 1.
CHANGES: dict[str, Callable[[int], float]] = {
    "step of 5 %": lambda night: math.log1p(-0.05) if night > 0 else 0.0,
    "creep of 0.5 %": lambda night: math.log1p(-0.005) * max(0, night),
}
LARGER: dict[str, Callable[[int], float]] = {
    "step of 10 %": lambda night: math.log1p(-0.1) if night > 0 else 0.0,
    "step of 20 %": lambda night: math.log1p(-0.2) if night > 0 else 0.0,
}
# The nights within which a step and a creep are to be noticed.
WANTED = {"step": 3, "creep": 14}
# More states of the machine than any class has sessions: a state is that of a session, counted in rounds.
MANY = 5040
# Standard deviations of a night: up to which one does it hold?
DEVIATIONS = (0.005, 0.01, 0.0125, 0.015, 0.02, 0.03, 0.04)
# Invocations of a night in the nightly tier.
INVOCATIONS = 4
STORED = "intel-xeon-6.207-2c-1n-amx"
RECORDINGS = ROOT / "benchmarks" / "gate" / "recordings"
QUIET, ALL = ("quiet", "injected"), ("quiet", "injected", "loaded")
START = datetime(2026, 11, 27, tzinfo=UTC)
# What draws one night of a series, in the machine's state of one of the recorded sessions.
Draw = Callable[[random.Random, int], "Drawn"]
# What says in which session's state the machine is in each night of a history.
States = Callable[[random.Random, int], Sequence[int]]


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
    def draw(source: random.Random, _: int) -> Drawn:
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
    return _normal(sd, [(line.variance, line.invocations) for line in lines], slope, list(z))


def _normal(
    sd: float, within: Sequence[tuple[float, int]], slope: float = 0.0, machine: Sequence[float] = (0.0,)
) -> Draw:
    def draw(source: random.Random, state: int) -> Drawn:
        now = machine[state % len(machine)]
        return Drawn(slope * now + source.gauss(0.0, sd), *source.choice(within), now)

    return draw


def restless(source: random.Random, nights: int) -> list[int]:
    """Return a state of the machine for each night that does not depend on the others."""
    return [source.randrange(MANY) for _ in range(nights)]


def exchanged(source: random.Random, nights: int) -> list[int]:
    """Return states of the machine that change a single time, in the middle."""
    first, second = source.randrange(MANY), source.randrange(MANY)
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


def flat_histories(noise: Noise, count: int) -> tuple[int, int]:
    """Return the nights of flat histories after which a series raised its first alarm, and all nights."""
    alarms = 0
    for number in range(count):
        noticed = first_alarms(history(noise, FLAT, random.Random(SEED + number)))
        alarms += len({night for night in noticed if math.isfinite(night)})
    return alarms, count * FLAT


def delays(noise: Noise, before: int, change: Callable[[int], float]) -> list[float]:
    """Return the nights until each change was noticed, infinite for those that were not: the first night that changes
    is 1. A series with a false alarm before its change counts as one that was not noticed.
    """
    result = []
    for number in range(HISTORIES):
        drawn = history(noise, before + WAITED, random.Random(SEED - 1 - number), change)
        after = [night - before for night in first_alarms(drawn)[::CHANGED]]
        result += [night if night > 0 else math.inf for night in after]
    return result


def first_alarms(every: Sequence[Series]) -> list[float]:
    """Return after which night (the first is 1) each series raises its first alarm: as `find_changes` does, but for all
    series at once, which is ten times as fast. Infinite for a series without an alarm.
    """
    noise = noise_of(every, read_tolerances(TOLERANCES))
    rows = [from_anchor(series, own) for series, own in zip(every, noise, strict=True)]
    machines = [row.machine for row in rows if row.machine is not None]
    observed = Observed(
        np.concatenate([row.values for row in rows]),
        np.concatenate([row.variances for row in rows]),
        np.concatenate(machines) if machines else None,
    )
    anchors = int(every[0].anchored)
    noticed = np.full(len(every), math.inf)
    for last in range(2, observed.nights + 1):
        before = 1 if anchors and last <= WINDOW else LEAST_BEFORE
        level = NIGHT_ERROR / len(every)
        alarms = raises_alarm(observed.part(max(0, last - WINDOW), last), noise[0].scale, level, before)
        noticed[alarms & np.isinf(noticed)] = last - anchors
    return list(noticed)


def most_noticed(sd: float, before: int, shape: Sequence[float]) -> float:
    """Return the largest probability with which any test notices a change in time: `shape` is its log size in each of
    the nights that it has, `before` the flat nights, and `sd` the standard deviation of a night, normal and known.

    A test that raises an alarm after a flat night with the probability that one series has, does so within n nights
    with at most n times that. Of all such tests, that of the true shape against a flat series is the most powerful
    (Neyman and Pearson, "On the problem of the most efficient tests of statistical hypotheses", 1933).
    """
    effect = np.concatenate([np.zeros(before), shape])
    distance = float(np.linalg.norm(effect - effect.mean())) / sd
    return float(ndtr(distance + ndtri(len(shape) * NIGHT_ERROR / SERIES)))


def recorded_noises() -> dict[str, Noise]:
    """Return the noises that were recorded, and that of stored ratios."""
    noises = {
        f"side by side, {folder.name}, {kind}": Noise(SIDE_BY_SIDE, side_by_side(folder, kinds))
        for folder in sorted(RECORDINGS.iterdir())
        for kind, kinds in (("quiet", QUIET), ("with load", ALL))
    }
    return {**noises, f"stored ratios, {STORED}": Noise("native-fp32", stored(STORED))}


def print_false_alarms(noises: Mapping[str, Noise], count: int, console: Console) -> None:
    """Print the nights of flat histories after which an alarm is raised; where builds are compared on the same machine
    only, also of those in which the machine becomes another one.
    """
    noises = {
        **noises,
        f"stored ratios, {STORED}, another machine from the middle on": replace(
            noises[f"stored ratios, {STORED}"], states=exchanged
        ),
    }
    table = Table("noise", "sd of a night", "nights", "nights with an alarm", "95 % interval of the rate")
    for name, noise in noises.items():
        alarms, nights = flat_histories(noise, count)
        low = chi2.ppf(0.025, 2 * alarms) / 2 if alarms else 0.0
        high = chi2.ppf(0.975, 2 * alarms + 2) / 2
        interval = f"{low / nights:.2%} to {high / nights:.2%}"
        table.add_row(name, _deviations(noise), str(nights), str(alarms), interval)
    console.print(table)


def print_delays(noises: Mapping[str, Noise], console: Console) -> None:
    """Print how soon changes are noticed at each noise."""
    columns = ("noticed in time", "at most possible", "median nights", "95 % noticed after")
    table = Table("noise", "flat nights before", "change", *columns)
    for name, noise in noises.items():
        for before in BEFORE:
            for what, change in (CHANGES if noise.over == SIDE_BY_SIDE else CHANGES | LARGER).items():
                table.add_row(name, str(before), what, *_delay(noise, before, what, change))
    console.print(table)


def print_delays_by_deviation(console: Console) -> None:
    """Print how soon changes are noticed by the standard deviation of a night, when it is normal."""
    table = Table("standard deviation", "change", "noticed in time", "at most possible", "median", "95 % noticed after")
    for sd in DEVIATIONS:
        for what, change in CHANGES.items():
            normal = Noise("native-fp32", [_normal(sd, [(sd**2, INVOCATIONS)])])
            table.add_row(f"{sd:.2%}", what, *_delay(normal, BEFORE[-1], what, change))
    console.print(table)


def main(count: int, console: Console) -> None:
    """Print false alarms and delays for each recorded noise, then delays by the standard deviation of a night."""
    noises = recorded_noises()
    print_false_alarms(noises, count, console)
    print_delays(noises, console)
    print_delays_by_deviation(console)


def _delay(noise: Noise, before: int, what: str, change: Callable[[int], float]) -> tuple[str, str, str, str]:
    """Return cells: which fraction was noticed in time, the most that is possible, and after how many nights half and
    95 % were noticed.
    """
    after = sorted(delays(noise, before, lambda night: change(night - before + 1)))
    wanted = WANTED[what.partition(" ")[0]]
    in_time = sum(night <= wanted for night in after) / len(after)
    quantiles = (statistics.median_low(after), after[math.ceil(0.95 * len(after)) - 1])
    shown = [f"{night:.0f}" if math.isfinite(night) else f"over {WAITED}" for night in quantiles]
    known = before + (ANCHOR_NIGHTS if noise.over == SIDE_BY_SIDE else 0)
    shape = [change(night) for night in range(1, wanted + 1)]
    most = statistics.fmean(most_noticed(sd, known, shape) for sd in deviations_of(noise.draws))
    return f"{in_time:.1%} within {wanted} nights", f"{most:.1%}", shown[0], shown[1]


def deviations_of(draws: Sequence[Draw]) -> list[float]:
    """Return the standard deviation of a night of each draw, in one state of the machine."""
    source = random.Random(SEED)
    return [statistics.stdev(draw(source, 0).value for _ in range(1000)) for draw in draws]


def _deviations(noise: Noise) -> str:
    deviations = deviations_of(noise.draws)
    return f"{min(deviations):.1%} to {max(deviations):.1%}, median {statistics.median(deviations):.1%}"


_RUN = usable_runs(BASELINES / STORED, STORED)[-1]
FIELDS, STACKS = columns_of({"drawn": next(iter(_RUN.cases.values())).stack})

if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100, Console(width=200))
