"""Findings: what changed in each series, judged together."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from perf.errors import PerfError
from perf.history.accepted import AcceptedLevels, read_accepted
from perf.history.nights import ACCEPTED, Nights, read_nights
from perf.history.schema import add_command
from perf.history.series import ANCHOR_NIGHTS, Series, SeriesNoise, noise_of, series_of
from perf.judge.regression import Observed
from perf.judge.steps import NIGHT_ERROR, ChangePoint, SeriesChanges, find_changes
from perf.runs.tolerances import Tolerances

# A series of fewer nights cannot show a step: two nights before it, and two that it affects.
LEAST_NIGHTS = 4


@dataclass(frozen=True)
class DatedChange:
    """A change of a series: the change `point`, the time of the `first` night that it affects and of the one after
    which it was `noticed`, and what else `changed` then.
    """

    point: ChangePoint
    first: datetime
    noticed: datetime
    changed: tuple[str, ...]


@dataclass(frozen=True)
class JudgedSeries:
    """A `series` with the `variances` of its nights, its `changes` and their `dated` places. `lost` says whether it is
    a finding: the level now lies below the first, or accepted, one by more than the tolerance by which the last night
    judged the case.
    """

    series: Series
    variances: tuple[float, ...]
    changes: SeriesChanges
    dated: tuple[DatedChange, ...]
    lost: bool

    @property
    def too_short(self) -> bool:
        """Whether it has too few nights to show anything."""
        return len(self.series.nights) + self.series.anchored < LEAST_NIGHTS


@dataclass(frozen=True)
class HistoryFindings:
    """What a history shows. `nights` are its files, `accepted` its accepted levels, and `judged` are all series.
    `unmatched` are patterns of accepted levels that match no case. `gone` are the cases that the last night does not
    hold. `waiting` are those of which no night is judged, since a level is accepted from a later day on.
    """

    nights: Nights
    accepted: AcceptedLevels
    judged: tuple[JudgedSeries, ...]
    unmatched: tuple[str, ...]
    gone: tuple[str, ...]
    waiting: tuple[str, ...]

    @property
    def lost(self) -> list[JudgedSeries]:
        """The findings, the least likely by chance first."""
        lost = [judged for judged in self.judged if judged.lost]
        return sorted(lost, key=lambda judged: min(point.chance for point in judged.changes.points))

    @property
    def changed(self) -> list[JudgedSeries]:
        """The series that changed and are no findings: gains, and losses that were made up for."""
        return [judged for judged in self.judged if judged.changes.points and not judged.lost]

    def cleared(self, case: str) -> bool:
        """Return whether a case has no loss: all its series were judged and none lost speed, or its level is accepted.
        A case whose series have too few nights is not cleared, nor one whose reference has another stack than before:
        its loss is out of sight, not gone.
        """
        series = [judged for judged in self.judged if judged.series.case == case]
        if not series:
            return self.accepted.of(case) is not None
        return not any(
            one.lost or one.series.replaced or (one.too_short and one.series.accepted is None) for one in series
        )


def read_findings(folder: Path, machine_class: str | None, tolerances: Tolerances) -> HistoryFindings:
    """Return what the history in a folder shows, of this machine class (by default that of its files). Raises PerfError
    when no file of it can be used, or its accepted levels are not valid.
    """
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise PerfError(what, subject=str(folder), next_step=f"add a run: {add_command()}")
    nights = read_nights(folder, machine_class)
    if not nights.files:
        count = len(nights.unusable)
        why = f"none of {count}, such as {str(nights.unusable[0]).partition(chr(10))[0]}" if count else "it is empty"
        step = f"add a run: {add_command()}"
        raise PerfError(f"holds no file that can be used: {why}", subject=str(folder), next_step=step)
    return findings_of(nights, read_accepted(folder / ACCEPTED), tolerances)


def findings_of(nights: Nights, accepted: AcceptedLevels, tolerances: Tolerances) -> HistoryFindings:
    """Return what a history shows: what changed in its series, and what could not be judged."""
    judged = judge_series(series_of(nights.files, accepted), tolerances)
    cases = set().union(*(file.cases for file in nights.files))
    last = nights.files[-1].cases if nights.files else set()
    compared = {line.case for file in nights.files for line in file.comparisons}
    return HistoryFindings(
        nights=nights,
        accepted=accepted,
        judged=judged,
        unmatched=tuple(accepted.unmatched(cases)),
        gone=tuple(sorted(cases - last)),
        waiting=tuple(sorted(compared - {one.series.case for one in judged})),
    )


def judge_series(every: Sequence[Series], tolerances: Tolerances) -> tuple[JudgedSeries, ...]:
    """Return what changed in each series. The chance of any alarm after a night in which nothing changed is
    `NIGHT_ERROR`, divided among all of them.
    """
    level = NIGHT_ERROR / max(1, len(every))
    noise = noise_of(every, tolerances)
    return tuple(_judged(series, own, level, tolerances) for series, own in zip(every, noise, strict=True))


def from_anchor(series: Series, noise: SeriesNoise) -> Observed:
    """Return what was observed in the nights; those of an anchored series begin with the anchor."""
    values, variances = series.values, list(noise.variances)
    if series.anchored:
        values, variances = [0.0, *values], [sum(variances) / len(variances) / ANCHOR_NIGHTS, *variances]
    return Observed.of(values, variances, series.machine)


def _judged(series: Series, noise: SeriesNoise, level: float, tolerances: Tolerances) -> JudgedSeries:
    changes = find_changes(from_anchor(series, noise), noise.scale, level, anchored=series.anchored)
    dated = tuple(_dated(series, point) for point in changes.points)
    allowed = tolerances.of(series.family, series.case, series.marked).log_change
    return JudgedSeries(series, noise.variances, changes, dated, bool(dated) and changes.net.log_ratio < -allowed)


def _dated(series: Series, point: ChangePoint) -> DatedChange:
    first, noticed = (max(0, index - series.anchored) for index in (point.first, point.noticed))
    changed = series.changed(first - 1, first if point.kind == "step" else noticed)
    return DatedChange(point, series.nights[first].ended, series.nights[noticed].ended, tuple(changed))
