"""Notice steps and slow creep in a series of nights. Pure: no I/O, no other room.

A night's log ratio is normal around the series' level, and its variance is known up to a scale that all nights of the
series have in common. After each night, the last nights are compared with those before: have they another level (a
step), or does a straight line lead away from the level (creep)? Each of these candidates is a regression with weights,
whose t statistic has an exact distribution when nothing changed (perf.judge.regression). The candidates end at the last
night, within a window (Lai, "Sequential changepoint detection in quality control and dynamical systems", 1995). Their
lengths grow by about the square root of two, so each change is close to one of them, and they are so few that
Bonferroni's correction for the search costs little. docs/explanation/history.md has figures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from scipy.special import stdtr, stdtrit

from perf.judge.change import Change
from perf.judge.regression import SLOPE, Matrix, Observed, degrees_of, statistics_of, without_odd_nights
from perf.judge.variance_prior import VariancePrior

# The probability of any alarm after a night in which nothing changed, over all series: one night in a hundred.
NIGHT_ERROR = 0.01
# How many nights a step or a creep may last when it is noticed. One night alone is never a step: the gate judges it.
# A creep of fewer than six nights cannot be distinguished from a step.
STEP_LENGTHS = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48)
CREEP_LENGTHS = (6, 8, 12, 16, 24, 32, 48, 64)
# Nights after an alarm that help to say when the change was.
AHEAD = 3
# The most nights that are looked back on.
WINDOW = 90
# The fewest nights whose mean is a level, unless the level is known.
LEAST_BEFORE = 2

ChangeKind = Literal["step", "creep"]


@dataclass(frozen=True)
class ChangePoint:
    """A step or a creep: its `kind`, the index of the `first` night that it affects, and that of the night after which
    it was `noticed`. `change` is the new level over the level before. `chance` is the probability that a flat series
    raises an alarm like this after a night: corrected for the search, not for the number of series.
    """

    kind: ChangeKind
    first: int
    noticed: int
    change: Change
    chance: float


@dataclass(frozen=True)
class SeriesChanges:
    """What changed in a series: the change `points` in order, and the `net` change from the first level to the last."""

    points: tuple[ChangePoint, ...]
    net: Change


@dataclass(frozen=True)
class _Candidates:
    """The changes that are tried after a night: the `kind` and the length of each, and the `shapes` of their effects,
    candidates by nights.
    """

    kinds: tuple[tuple[ChangeKind, int], ...]
    shapes: Matrix


@dataclass(frozen=True)
class _Alarm:
    kind: ChangeKind
    first: int
    noticed: int
    chance: float

    @property
    def settled(self) -> int:
        """The first night of the level that follows: a creep is still on its way until it is noticed."""
        return self.first if self.kind == "step" else self.noticed - 1


def find_changes(observed: Observed, scale: VariancePrior, level: float, *, anchored: bool = False) -> SeriesChanges:
    """Return what changed in a single series, oldest night first. `scale` is the prior of the factor by which all of
    its variances are wrong, `level` the probability of an alarm after a night. The first night of an `anchored` series
    is a known level, not a measurement.

    The nights are gone through in order, as they were measured. After an alarm a new series begins at the new level.
    Raises ValueError without nights.
    """
    if not observed.nights:
        raise ValueError("a series of no nights")
    alarms: list[_Alarm] = []
    for last in range(observed.nights):
        start = alarms[-1].settled if alarms else 0
        since = max(start, last + 1 - WINDOW)
        part = observed.part(since, last + 1)
        before = 1 if anchored and not since else LEAST_BEFORE
        if raises_alarm(part, scale, level, before)[0]:
            ahead = min(AHEAD, observed.nights - last - 1)
            chance = _chance(part, scale, before)
            kind, length = _located(observed.part(since, last + 1 + ahead), scale, before, ahead)
            alarms.append(_Alarm(kind, last + 1 + ahead - length, last, chance))
    return _measured(alarms, observed, scale)


def raises_alarm(
    observed: Observed, scale: VariancePrior, level: float, before: int = LEAST_BEFORE
) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Return for each series whether it raises an alarm after its last night, with this probability if nothing changed.
    At least `before` nights precede a step.
    """
    candidates = _candidates(observed.nights, before)
    if not candidates.kinds:
        return np.zeros(len(observed.values), dtype=bool)
    statistics = statistics_of(observed, scale, candidates.shapes)
    threshold = _threshold(degrees_of(observed, scale), level, len(candidates.kinds))
    return np.asarray(np.abs(statistics).max(axis=1) >= threshold)


@lru_cache(maxsize=4096)
def _threshold(degrees: float, level: float, tried: int) -> float:
    return float(stdtrit(degrees, 1 - level / (2 * tried)))


@lru_cache(maxsize=4096)
def _candidates(nights: int, before: int) -> _Candidates:
    """Return the candidates of the search after a number of nights."""
    steps = [length for length in STEP_LENGTHS if length <= nights - before]
    return _of_lengths(nights, steps, [length for length in CREEP_LENGTHS if length < nights])


def _of_lengths(nights: int, steps: Sequence[int], creeps: Sequence[int]) -> _Candidates:
    ages = np.arange(nights - 1, -1, -1)  # of each night, before the last one
    shapes = [np.where(ages < length, 1.0, 0.0) for length in steps]
    shapes += [np.maximum(0.0, length - ages) for length in creeps]
    kinds: list[tuple[ChangeKind, int]] = [("step", length) for length in steps]
    kinds += [("creep", length) for length in creeps]
    return _Candidates(tuple(kinds), np.array(shapes).reshape(len(kinds), nights))


def _chance(observed: Observed, scale: VariancePrior, before: int) -> float:
    """Return the probability that a flat series raises an alarm after its last night as this series does."""
    shapes = _candidates(observed.nights, before).shapes
    largest = float(np.abs(statistics_of(observed, scale, shapes)).max())
    return min(1.0, 2 * float(stdtr(degrees_of(observed, scale), -largest)) * len(shapes))


def _located(observed: Observed, scale: VariancePrior, before: int, ahead: int) -> tuple[ChangeKind, int]:
    """Return the kind of a change and how many nights ago it began. Whatever length raised the alarm `ahead` nights
    before the last one, the most likely of all lengths says what changed and when.
    """
    nights = observed.nights
    steps = range(max(STEP_LENGTHS[0], ahead + 1), nights - before + 1)
    every = _of_lengths(nights, steps, range(CREEP_LENGTHS[0] + ahead, nights))
    return every.kinds[int(np.abs(statistics_of(observed, scale, every.shapes)[0]).argmax())]


@dataclass(frozen=True)
class _Level:
    """The nights between two alarms: the means of the `value` and of the `machine`, and the former's `variance`."""

    value: float
    machine: float
    variance: float


def _measured(alarms: Sequence[_Alarm], observed: Observed, scale: VariancePrior) -> SeriesChanges:
    """Return the changes with their sizes, from the levels between alarms. A creep's nights are of no level. What the
    machine explains, by the slope within levels, is not part of a change.
    """
    starts = [0, *(alarm.settled for alarm in alarms)]
    ends = [*(max(alarm.first, start + 1) for alarm, start in zip(alarms, starts, strict=False)), observed.nights]
    values = without_odd_nights(observed.values, observed.variances, scale)[0]
    machine = np.zeros_like(values) if observed.machine is None else observed.machine[0]
    pooled, levels, zz, zy = scale, [], SLOPE**-2, 0.0
    for start, end in zip(starts, ends, strict=True):
        weights = 1 / observed.variances[0, start:end]
        y, z = values[start:end], machine[start:end]
        total = float(weights.sum())
        level = _Level(float(weights @ y) / total, float(weights @ z) / total, 1 / total)
        pooled = pooled.with_squares(float(weights @ (y - level.value) ** 2), end - start - 1)
        zz, zy = zz + float(weights @ (z - level.machine) ** 2), zy + float(weights @ ((z - level.machine) * y))
        levels.append(level)

    def change(then: _Level, now: _Level) -> Change:
        moved = now.machine - then.machine
        variance = then.variance + now.variance + moved**2 / zz
        error = VariancePrior(pooled.variance * variance, pooled.degrees)
        return Change(now.value - then.value - moved * zy / zz, (error,) if error.degrees else ())

    points = (
        ChangePoint(alarm.kind, alarm.first, alarm.noticed, change(then, now), alarm.chance)
        for alarm, then, now in zip(alarms, levels[:-1], levels[1:], strict=True)
    )
    net = change(levels[0], levels[-1]) if alarms else Change(0.0, ())
    return SeriesChanges(tuple(points), net)
