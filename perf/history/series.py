"""Series: the nights of one ratio of a case, as far as they are comparable."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median_low

from perf.history.accepted import AcceptedLevel, AcceptedLevels
from perf.history.schema import SIDE_BY_SIDE, Comparison, NightFile, RunHeader
from perf.judge.regression import scale_of
from perf.judge.variance_prior import MAX_DEGREES, VariancePrior, prior_of
from perf.runs.tolerances import ToleranceEntry, Tolerances
from perf.stack import differences

# From this number of nights side by side with one stack on, a case is judged by them and not by its stored ratios.
LEAST_SIDE_BY_SIDE = 2
# The anchor is a level of 0 by definition. It counts as this number of nights and not as exact: side by side, two equal
# stacks differed by 0.1 to 1.4 % in 10 invocations each (docs/results/2026-11-26-gate.md).
ANCHOR_NIGHTS = 10
# The most degrees of freedom that the scale of the other series counts for. A scale is known from many nights, so it
# may count for more than a variance between invocations. With 20, three of 168 series that are twice as noisy as their
# invocations say raise no more alarms than they may; with 30 they do (docs/explanation/history.md).
SCALE_DEGREES = 20.0
# By how much the log latency of a reference moves from one night to another before that is said beside a change.
OTHER_SPEED = math.log(1.25)


@dataclass(frozen=True)
class Night:
    """A night of a series: the run's `header`, and the comparison's `line`."""

    header: RunHeader
    line: Comparison

    @property
    def ended(self) -> datetime:
        """When the run ended."""
        return self.header.ended


@dataclass(frozen=True)
class Series:
    """The `nights` in which a `case` was compared with the same stack, oldest first: side by side, or with the variant
    `over` as its reference. `anchored` says whether it starts at a known level of 0. `accepted` is the accepted level
    that it starts with, if any. `replaced` says whether earlier nights had another stack of the reference: what was
    lost in them does not show.
    """

    case: str
    over: str
    nights: tuple[Night, ...]
    anchored: bool = False
    accepted: AcceptedLevel | None = None
    replaced: bool = False

    @property
    def family(self) -> str:
        """The family of the case."""
        return self.nights[-1].line.family

    @property
    def marked(self) -> ToleranceEntry | None:
        """The tolerance that the case's item was marked with in the last night, if any."""
        return self.nights[-1].header.tolerances.get(self.case)

    @property
    def values(self) -> list[float]:
        """The nights' log ratios."""
        return [night.line.log_ratio for night in self.nights]

    @property
    def machine(self) -> list[float] | None:
        """The log latencies (of seconds) of its reference, which show how fast the machine was in each night. None side
        by side, where both stacks had the same machine, and if one is not known.
        """
        latencies = [night.line.over_latency_s for night in self.nights]
        if self.over == SIDE_BY_SIDE or None in latencies:
            return None
        return [math.log(latency) for latency in latencies if latency]

    @property
    def reference(self) -> str:
        """What it is over, as text: "native-fp32", or "mxnet-mkl==1.5.0 (0f3a9c51d2e4), side by side"."""
        if self.over != SIDE_BY_SIDE:
            return self.over
        last = self.nights[-1]
        stack = last.header.stack(last.line.over_stack)
        return f"{stack.requirement} ({last.line.over_stack}), side by side"

    @property
    def name(self) -> str:
        """The case and what it is over."""
        return f"{self.case} over {self.reference}"

    def changed(self, before: int, after: int) -> list[str]:
        """Return what differs between two nights: the case's stack, the machine's settings, and the machine. Before the
        first night (-1) was the anchor, of which only the stack is known, or an unknown stack.
        """
        now = self.nights[after]
        if before < 0:
            anchor = now.header.stack(now.line.over_stack)
            return differences(anchor, now.header.stack(now.line.stack)) if self.anchored else []
        then = self.nights[before]
        changed = differences(then.header.stack(then.line.stack), now.header.stack(now.line.stack))
        settings = [*then.header.settings, *(name for name in now.header.settings if name not in then.header.settings)]
        changed += [
            f"{name}: {then.header.settings.get(name, 'not recorded')} -> "
            f"{now.header.settings.get(name, 'not recorded')}"
            for name in settings
            if then.header.settings.get(name) != now.header.settings.get(name)
        ]
        if then.header.host_id != now.header.host_id:
            changed.append(f"machine: {then.header.host_id} -> {now.header.host_id}")
        machine = self.machine
        if machine is not None and abs(machine[after] - machine[before]) > OTHER_SPEED:
            latencies = " -> ".join(f"{1000 * math.exp(machine[night]):.3g} ms" for night in (before, after))
            changed.append(f"latency of {self.over}: {latencies}")
        return changed


def series_of(files: Sequence[NightFile], accepted: AcceptedLevels) -> list[Series]:
    """Return the series that are judged, by case and reference. Of each case these are the nights side by side with the
    stack of its last such comparison, if its last night has one and `LEAST_SIDE_BY_SIDE` nights do; else the stored
    ratios over the stacks that its references have now. A level that was accepted restarts a series. A measurement
    that two files hold, such as that of a shard in a night that was merged twice, counts once.
    """
    nights: dict[str, dict[object, tuple[RunHeader, dict[str, Comparison]]]] = {}
    for file in files:
        cases: dict[str, dict[str, Comparison]] = {}
        for line in file.comparisons:
            cases.setdefault(line.case, {})[line.over] = line
        for case, lines in cases.items():
            nights.setdefault(case, {}).setdefault(_measurement(file, lines), (file.header, lines))
    return [series for case in sorted(nights) for series in _of_case(case, [*nights[case].values()], accepted.of(case))]


def _measurement(file: NightFile, lines: Mapping[str, Comparison]) -> object:
    """Return what tells a measurement of a case from every other one: its figures, which no two sessions share in all
    their digits. Without a variance they have too few digits for that.
    """
    if not all(line.variance for line in lines.values()):
        return file.header.run
    return frozenset((o, n.log_ratio, n.variance, n.invocations, n.over_latency_s) for o, n in lines.items())


def _of_case(
    case: str, nights: Sequence[tuple[RunHeader, Mapping[str, Comparison]]], accepted: AcceptedLevel | None
) -> Iterator[Series]:
    newest = nights[-1][1]
    every = {over: _comparable(over, line, nights) for over, line in newest.items()}
    side_by_side = every.pop(SIDE_BY_SIDE, [])
    if len(side_by_side) >= LEAST_SIDE_BY_SIDE or not every:
        every = {SIDE_BY_SIDE: side_by_side}
    for over, comparable in sorted(every.items()):
        since = accepted.start if accepted else nights[0][0].ended
        kept = [night for night in comparable if night.ended >= since]
        restarted = len(kept) < len(comparable)
        if kept:
            anchored = over == SIDE_BY_SIDE and not restarted
            compared = sum(over in lines and header.ended >= since for header, lines in nights)
            replaced = not anchored and compared > len(kept)
            yield Series(case, over, tuple(kept), anchored, accepted if restarted else None, replaced)


def _comparable(
    over: str, newest: Comparison, nights: Sequence[tuple[RunHeader, Mapping[str, Comparison]]]
) -> list[Night]:
    return [
        Night(header, lines[over])
        for header, lines in nights
        if over in lines and lines[over].over_stack == newest.over_stack
    ]


@dataclass(frozen=True)
class SeriesNoise:
    """The `variances` of a series' nights, and the prior of their `scale`."""

    variances: tuple[float, ...]
    scale: VariancePrior


def noise_of(every: Sequence[Series], tolerances: Tolerances) -> list[SeriesNoise]:
    """Return the noise of each series.

    A night's variance is that between invocations, moderated by the other series of the family (perf.judge.
    variance_prior); for a stored ratio, that between sessions is added. How far all nights together vary from one to
    the next says by which factor this is wrong, and that of the other series of its kind is the prior.
    """
    groups: dict[tuple[str, bool], list[int]] = {}
    for index, series in enumerate(every):
        groups.setdefault((series.family, series.over == SIDE_BY_SIDE), []).append(index)
    noise: dict[int, SeriesNoise] = {}
    for (family, side_by_side), members in groups.items():
        assumed = tolerances.assumed_of(family)
        between = assumed.prior(assumed.side_by_side if side_by_side else assumed.invocations)
        lines = [night.line for index in members for night in every[index].nights]
        prior = prior_of(((line.variance, line.invocations - 1) for line in lines), between)
        sessions = 0.0 if side_by_side else assumed.sessions**2
        variances = {index: tuple(_variances(every[index], prior, sessions)) for index in members}
        scales = [scale_of(every[index].values, variances[index]) for index in members]
        scale = prior_of(scales, VariancePrior(1.0, assumed.degrees), SCALE_DEGREES)
        noise |= {index: SeriesNoise(variances[index], scale) for index in members}
    return [noise[index] for index in range(len(every))]


def _variances(series: Series, prior: VariancePrior, sessions: float) -> Iterator[float]:
    """Yield the variance of each night: its own between invocations, pooled with that of the series and the family.

    A night counts for no more invocations than the median night of its series. More of them are confirmations, which
    are made where the first invocations lay far out, until they no longer do. Where nights counted for as many as they
    have, those that stayed far out weighed most, and false alarms doubled (docs/explanation/history.md).
    """
    lines = [night.line for night in series.nights]
    usual = median_low([line.invocations for line in lines])
    squares = sum((line.invocations - 1) * line.variance for line in lines)
    own = prior.with_squares(squares, sum(line.invocations - 1 for line in lines))
    own = VariancePrior(own.variance, min(own.degrees, MAX_DEGREES))
    for line in lines:
        degrees = line.invocations - 1
        yield own.with_squares(degrees * line.variance, degrees).variance / min(line.invocations, usual) + sessions
