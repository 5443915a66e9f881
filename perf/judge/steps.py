"""Notice steps and slow creep in a series of nights. Pure: no I/O, no other room.

A night's log ratio is normal around the series' level, and its variance is known up to a scale that all nights of the
series have in common. After each night, the last nights are compared with those before: have they another level (a
step), or does a straight line lead away from the level (creep)? Each of these candidates is a regression with weights,
whose t statistic has an exact distribution when nothing changed; its scale is pooled with a prior (Smyth, 2004). The
candidates end at the last night, within a window (Lai, "Sequential changepoint detection in quality control and
dynamical systems", 1995). Their lengths grow by about the square root of two, so each change is close to one of them,
and they are so few that Bonferroni's correction for the search costs little. docs/explanation/history.md has figures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from scipy.special import chdtri, stdtr, stdtrit

from perf.judge.change import Change
from perf.judge.variance_prior import VariancePrior

# The probability of any alarm after a night in which nothing changed, over all series: one night in a hundred.
NIGHT_ERROR = 0.01
# How many nights a step or a creep may last when it is noticed. One night alone is never a step: the gate judges it.
# A creep of fewer than six nights cannot be distinguished from a step.
STEP_LENGTHS = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48)
CREEP_LENGTHS = (6, 8, 12, 16, 24, 32, 48, 64)
# A night that lies further beyond both its neighbours than this number of standard deviations is moved back to there.
# That happens to three flat nights in a thousand (normal, simulated). In 98 of 100 cases it keeps a single odd night,
# however far off, from being a step.
ODD = 3.0
# The median of chi-squared with one degree of freedom: that of the square of a normal value.
_MEDIAN_CHI_SQUARE = float(chdtri(1, 0.5))
# Nights after an alarm that help to say when the change was.
AHEAD = 3
# The most nights that are looked back on.
WINDOW = 90
# The fewest nights whose mean is a level, unless the level is known.
LEAST_BEFORE = 2

ChangeKind = Literal["step", "creep"]
Matrix = np.ndarray[tuple[int, int], np.dtype[np.float64]]


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


def find_changes(
    values: Sequence[float], variances: Sequence[float], scale: VariancePrior, level: float, *, anchored: bool = False
) -> SeriesChanges:
    """Return what changed in a series. `values` are the nights' log ratios, oldest first, `variances` their expected
    variances, and `scale` is the prior of the factor by which all of them are wrong. `level` is the probability of an
    alarm after a night. The first night of an `anchored` series is a known level, not a measurement.

    The nights are gone through in order, as they were measured. After an alarm a new series begins at the new level.
    Raises ValueError without nights.
    """
    if not values:
        raise ValueError("a series of no nights")
    y, v = np.asarray([values], float), np.asarray([variances], float)
    alarms: list[_Alarm] = []
    for last in range(y.shape[1]):
        start = alarms[-1].settled if alarms else 0
        since = max(start, last + 1 - WINDOW)
        part = slice(since, last + 1)
        before = 1 if anchored and not since else LEAST_BEFORE
        if raises_alarm(y[:, part], v[:, part], scale, level, before)[0]:
            ahead = min(AHEAD, y.shape[1] - last - 1)
            more = slice(since, last + 1 + ahead)
            chance = _chance(y[:, part], v[:, part], scale, before)
            kind, length = _located(y[:, more], v[:, more], scale, before, ahead)
            alarms.append(_Alarm(kind, last + 1 + ahead - length, last, chance))
    return _measured(alarms, without_odd_nights(y, v, scale)[0], v[0], scale)


def raises_alarm(
    values: Matrix, variances: Matrix, scale: VariancePrior, level: float, before: int = LEAST_BEFORE
) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Return for each series (series by nights) whether it raises an alarm after its last night, with this probability
    if nothing changed. At least `before` nights precede a step.
    """
    nights = values.shape[1]
    candidates = _candidates(nights, before)
    if not candidates.kinds:
        return np.zeros(len(values), dtype=bool)
    statistics = _statistics(values, variances, scale, candidates.shapes)
    threshold = _threshold(scale.degrees + nights - 2, level, len(candidates.kinds))
    return np.asarray(np.abs(statistics).max(axis=1) >= threshold)


def without_odd_nights(values: Matrix, variances: Matrix, scale: VariancePrior) -> Matrix:
    """Return the series (by nights) with nights moved that differ from both neighbours by more than `ODD` standard
    deviations; the neighbours of the last night are the two before it. The first night stays: it may be an anchor.

    The standard deviation is the larger one of the prior's and the series' own, from the median difference of
    successive nights. A smaller one would smooth a noisy series, which then looks as if it stepped.
    """
    if values.shape[1] < 3:  # noqa: PLR2004 - the last night and its neighbours
        return values
    after = np.concatenate([values[:, 2:], values[:, -3:-2]], axis=1)
    neighbours = np.stack([values[:, :-1], after])
    squares = np.diff(values) ** 2 / (variances[:, 1:] + variances[:, :-1])
    own = np.median(squares, axis=1, keepdims=True) / _MEDIAN_CHI_SQUARE
    far = ODD * np.sqrt(np.maximum(scale.variance, own) * variances[:, 1:])
    moved = np.clip(values[:, 1:], neighbours.min(axis=0) - far, neighbours.max(axis=0) + far)
    return np.concatenate([values[:, :1], moved], axis=1)


def scale_of(values: Sequence[float], variances: Sequence[float]) -> tuple[float, float]:
    """Return the scale of a series' variances with its degrees of freedom, from the differences of successive nights:
    a step or a creep hardly changes it (von Neumann, "Distribution of the ratio of the mean square successive
    difference to the variance", 1941). (0, 0) for one night or none.
    """
    if len(values) < 2:  # noqa: PLR2004 - one difference
        return 0.0, 0.0
    y, v = np.asarray(values, float), np.asarray(variances, float)
    count = len(y) - 1
    # Neighbouring differences have a night in common: they count for about two thirds of their number.
    return float(np.mean(np.diff(y) ** 2 / (v[1:] + v[:-1]))), 2 * count**2 / (3 * count - 1)


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


def _statistics(values: Matrix, variances: Matrix, scale: VariancePrior, shapes: Matrix) -> Matrix:
    """Return the t statistics (series by candidates) of regressions on a level and one of the `shapes`."""
    values = without_odd_nights(values, variances, scale)
    weights = 1 / variances
    total = weights.sum(axis=1, keepdims=True)
    y = values - (weights * values).sum(axis=1, keepdims=True) / total
    along = weights @ shapes.T
    xx = weights @ (shapes**2).T - along**2 / total
    xy = (weights * y) @ shapes.T
    squares = (weights * y**2).sum(axis=1, keepdims=True) - xy**2 / xx
    degrees = scale.degrees + values.shape[1] - 2
    variance = (scale.degrees * scale.variance + np.maximum(squares, 0.0)) / degrees
    return np.asarray(xy / np.sqrt(xx * variance))


def _chance(values: Matrix, variances: Matrix, scale: VariancePrior, before: int) -> float:
    """Return the probability that a flat series raises an alarm after its last night as this series does."""
    nights = values.shape[1]
    shapes = _candidates(nights, before).shapes
    largest = float(np.abs(_statistics(values, variances, scale, shapes)).max())
    return min(1.0, 2 * float(stdtr(scale.degrees + nights - 2, -largest)) * len(shapes))


def _located(
    values: Matrix, variances: Matrix, scale: VariancePrior, before: int, ahead: int
) -> tuple[ChangeKind, int]:
    """Return the kind of a change and how many nights ago it began. Whatever length raised the alarm `ahead` nights
    before the last one, the most likely of all lengths says what changed and when.
    """
    nights = values.shape[1]
    steps = range(max(STEP_LENGTHS[0], ahead + 1), nights - before + 1)
    every = _of_lengths(nights, steps, range(CREEP_LENGTHS[0] + ahead, nights))
    return every.kinds[int(np.abs(_statistics(values, variances, scale, every.shapes)[0]).argmax())]


def _measured(
    alarms: Sequence[_Alarm],
    values: "np.ndarray[tuple[int], np.dtype[np.float64]]",
    variances: "np.ndarray[tuple[int], np.dtype[np.float64]]",
    scale: VariancePrior,
) -> SeriesChanges:
    """Return the changes with their sizes, from the levels between alarms. A creep's nights are of no level."""
    starts = [0, *(alarm.settled for alarm in alarms)]
    ends = [*(max(alarm.first, start + 1) for alarm, start in zip(alarms, starts, strict=False)), len(values)]
    pooled, levels = scale, []
    for start, end in zip(starts, ends, strict=True):
        weights = 1 / variances[start:end]
        mean = float(weights @ values[start:end] / weights.sum())
        pooled = pooled.with_squares(float(weights @ (values[start:end] - mean) ** 2), end - start - 1)
        levels.append((mean, 1 / float(weights.sum())))

    def change(then: tuple[float, float], now: tuple[float, float]) -> Change:
        error = VariancePrior(pooled.variance * (then[1] + now[1]), pooled.degrees)
        return Change(now[0] - then[0], (error,) if error.degrees else ())

    points = (
        ChangePoint(alarm.kind, alarm.first, alarm.noticed, change(then, now), alarm.chance)
        for alarm, then, now in zip(alarms, levels[:-1], levels[1:], strict=True)
    )
    net = change(levels[0], levels[-1]) if alarms else Change(0.0, ())
    return SeriesChanges(tuple(points), net)
