"""A history as text: a table with a line of the nights, and the findings."""

import math
from collections.abc import Iterator, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from perf.history.findings import DatedChange, HistoryFindings, JudgedSeries
from perf.history.nights import ACCEPTED, Nights
from perf.history.schema import SIDE_BY_SIDE
from perf.judge.change import Change
from perf.wording import counted, uv

# The heights of a sparkline, lowest first.
_BARS = "▁▂▃▄▅▆▇█"
# The nights that a sparkline shows: the last month.
SHOWN_NIGHTS = 30
# The findings that are described one by one; a person reads no more.
SHOWN_FINDINGS = 9


def sparkline(values: Sequence[float]) -> str:
    """Return the values as bars between the lowest and the highest one; "" without values."""
    if not values:
        return ""
    low, high = min(values), max(values)
    steps = len(_BARS) - 1
    return "".join(_BARS[round((value - low) / (high - low) * steps) if high > low else steps // 2] for value in values)


def history_table(judged: Sequence[JudgedSeries]) -> Table:
    """Return a table with a row for each series."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("Case", no_wrap=True)  # names are copied into commands
    table.add_column("Over", overflow="fold", min_width=len("native-fp32"))
    table.add_column("Nights", justify="right", no_wrap=True)
    table.add_column("Last", justify="right", no_wrap=True)
    table.add_column(f"Last {SHOWN_NIGHTS} nights", overflow="fold")
    table.add_column("Changes", overflow="fold")
    for one in judged:
        series, values = one.series, one.series.values
        last = f"{math.exp(values[-1]):.3f}" if series.over == SIDE_BY_SIDE else f"{math.exp(values[-1]):.2f}"
        changes = [f"{change.point.kind} {_percent(change.point.change)} {_day(change)}" for change in one.dated]
        if series.accepted:
            changes.insert(0, f"accepted {series.accepted.since}")
        cells = (series.case, series.reference, str(len(values)), last, sparkline(values[-SHOWN_NIGHTS:]))
        table.add_row(*map(Text, cells), Text("; ".join(changes), "bold red" if one.lost else ""))
    return table


def coverage_lines(nights: Nights) -> Iterator[str]:
    """Yield which nights a history holds, and what of it could not be used."""
    period = f" from {nights.files[0].header.ended:%Y-%m-%d} to {nights.files[-1].header.ended:%Y-%m-%d}"
    yield f"Machine class {nights.machine_class}: {counted(len(nights.files), 'run')}{period}."
    if nights.repeated:
        yield f"Counted once: {counted(len(nights.repeated), 'file')} of runs that another file holds too."
    if nights.unusable:
        yield f"{counted(len(nights.unusable), 'file')} could not be used:"
        for problem in nights.unusable:
            yield from (f"  {line}" for line in str(problem).splitlines())


def finding_lines(findings: HistoryFindings) -> Iterator[str]:
    """Yield the findings, the least likely by chance first, and the counts of everything that was looked at."""
    lost, changed = findings.lost, findings.changed
    for one in lost[:SHOWN_FINDINGS]:
        yield f"{one.series.name}: {_with_interval(one.changes.net)} since {since_text(one)}"
        for change in one.dated:
            yield f"  {described(change)}"
            yield from (f"    changed: {difference}" for difference in change.changed or ["nothing that is recorded"])
        yield f"  show: {uv()} run mxperf history show '{one.series.case}'"
    if len(lost) > SHOWN_FINDINGS:
        yield f"and {len(lost) - SHOWN_FINDINGS} more: {uv()} run mxperf history show"
    for one in changed[:SHOWN_FINDINGS]:
        yield f"Not a loss: {one.series.name}: {'; '.join(map(described, one.dated))}"
    if len(changed) > SHOWN_FINDINGS:
        yield f"and {len(changed) - SHOWN_FINDINGS} more changes that are not losses."
    yield from _not_judged(findings)
    for pattern in findings.unmatched:
        yield f"{ACCEPTED}: '{pattern}' matches no case."
    if lost:
        yield f"To keep a level, record it in {ACCEPTED} next to the files (docs/history.md)."
    judged = sum(not one.too_short for one in findings.judged)
    yield f"History: {counted(judged, 'series', 'series')} judged, {counted(len(lost), 'loss', 'losses')}."


def _not_judged(findings: HistoryFindings) -> Iterator[str]:
    short = sum(one.too_short for one in findings.judged)
    if short:
        yield f"Not judged: {counted(short, 'series', 'series')} with too few nights."
    if findings.waiting:
        waiting = f"{counted(len(findings.waiting), 'case')}: {', '.join(findings.waiting[:SHOWN_FINDINGS])}"
        yield f"Not judged, since {ACCEPTED} accepts a level from a day on that has no run yet: {waiting}"
    if findings.gone:
        yield f"Not in the last run: {counted(len(findings.gone), 'case')}: {', '.join(findings.gone[:SHOWN_FINDINGS])}"


def described(change: DatedChange) -> str:
    """Return a change as text: its kind, its size, and when."""
    point = change.point
    when = f"on {change.first:%Y-%m-%d %H:%M}" if point.kind == "step" else f"from {change.first:%Y-%m-%d %H:%M} on"
    return f"{point.kind} of {_with_interval(point.change)} {when}, noticed {change.noticed:%Y-%m-%d %H:%M}"


def since_text(one: JudgedSeries) -> str:
    """Return what the level of a series is compared with."""
    if one.series.accepted:
        return f"the level accepted by {one.series.accepted.by} on {one.series.accepted.since}"
    if one.series.anchored:
        return "the anchor"
    return f"{one.series.nights[0].ended:%Y-%m-%d}"


def _day(change: DatedChange) -> str:
    return f"{change.first:%Y-%m-%d}"


def _percent(change: Change) -> str:
    return f"{change.ratio - 1:+.1%}"


def _with_interval(change: Change) -> str:
    low, high = change.interval()
    return f"{_percent(change)} [{low - 1:+.1%}, {high - 1:+.1%}]" if change.known else _percent(change)
