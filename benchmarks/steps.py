"""How often the history raises a false alarm, and after how many nights it notices a step or a creep.

    uv run python -m benchmarks.steps [HISTORIES]

Drawn nights (`benchmarks.nights`) are judged by the code of `mxperf history check`. HISTORIES is the number of flat
histories of each noise. Beside what is noticed stands what the best possible test would notice, where a night's
standard deviation is known.
"""

import math
import random
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.special import ndtr, ndtri
from scipy.stats import chi2

from benchmarks.nights import (
    CHANGED,
    INVOCATIONS,
    SEED,
    SERIES,
    STORED,
    Noise,
    exchanged,
    history,
    normal,
    recorded_noises,
    separately,
)
from perf.history.findings import from_anchor
from perf.history.schema import SIDE_BY_SIDE
from perf.history.series import Series, noise_of
from perf.judge.regression import Observed
from perf.judge.steps import LEAST_BEFORE, NIGHT_ERROR, WINDOW, raises_alarm
from perf.runs.baseline import TOLERANCES
from perf.runs.tolerances import read_tolerances

# Nights of a flat history; and flat nights before a change, with those that are waited for it to be noticed.
FLAT = 60
BEFORE, WAITED = (5, 10, 30), 20
# Histories with a change, of each kind, noise and number of nights before.
HISTORIES = 4
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
# Standard deviations of a night: up to which one does it hold?
DEVIATIONS = (0.005, 0.01, 0.0125, 0.015, 0.02, 0.03, 0.04)


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
            noise = Noise("native-fp32", separately([normal(sd, [(sd**2, INVOCATIONS)])]), [sd])
            table.add_row(f"{sd:.2%}", what, *_delay(noise, BEFORE[-1], what, change))
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
    shape = [change(night) for night in range(1, wanted + 1)]
    most = statistics.fmean(most_noticed(sd, before, shape) for sd in noise.deviations)
    # A night with confirmations has no standard deviation that is known beforehand.
    possible = "-" if noise.over == SIDE_BY_SIDE else f"{most:.1%}"
    return f"{in_time:.1%} within {wanted} nights", possible, shown[0], shown[1]


def _deviations(noise: Noise) -> str:
    deviations = noise.deviations
    return f"{min(deviations):.1%} to {max(deviations):.1%}, median {statistics.median(deviations):.1%}"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100, Console(width=200))
