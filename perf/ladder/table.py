"""A ladder as a table: what each of its cells shows, on a terminal and as CSV."""

import csv
import io
import math
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from perf.judge.statistics import median
from perf.judge.variance_prior import variance_of
from perf.ladder.schema import StoredCell, StoredLadder, StoredStep
from perf.ladder.steps import LEVEL
from perf.report.console import say
from perf.report.exports.spreadsheet import marked
from perf.wording import change_text, counted

# What a cell shows where there is no change to show.
NOT_AVAILABLE, SAME, FIRST, UNKNOWN = "n/a", "same", "first", "?"
# Marks a change that is significant over the whole ladder.
MARK = "*"
LEGEND = (
    f"{MARK}: significant over the whole ladder (Holm's method, level {LEVEL:g}). {SAME}: the same stack as the "
    f"release before. {FIRST}: there is no release before. {NOT_AVAILABLE}: not available. {UNKNOWN}: not decided."
)
_STYLES = {True: "bold red", False: "bold green"}


class Grid:
    """The cells of a `ladder` by release and workload, with the step that leads to each."""

    def __init__(self, ladder: StoredLadder) -> None:
        self.ladder = ladder
        self.releases = [rung.release for rung in ladder.rungs]
        self.workloads = [workload.name for workload in ladder.workloads]
        self.cells = {(cell.release, cell.workload): cell for cell in ladder.cells}
        self.steps = {(step.after, step.workload): step for step in ladder.steps}

    def source(self, release: str, workload: str) -> StoredCell:
        """Return the cell that holds the figures of a release: its own, or that of the release with the same stack."""
        cell = self.cells[release, workload]
        return self.source(cell.reason, workload) if cell.status == "same stack" else cell

    def text(self, release: str, workload: str, *, interval: bool) -> str:
        """Return what a cell shows: its change, with or without its interval, or why it has none."""
        cell, step = self.cells[release, workload], self.steps.get((release, workload))
        if cell.status == "not available":
            return NOT_AVAILABLE
        if step is None or (step.change is None and not step.reason):
            return FIRST
        if step.change is None or step.low is None:
            return UNKNOWN
        if step.p_value is None:
            return SAME
        shown = change_text(step.change, step.low if interval else None, step.high)
        return f"{shown} {MARK}" if step.significant else shown

    @property
    def significant(self) -> list[StoredStep]:
        """The steps that are significant over the whole ladder, the largest loss first."""
        steps = [step for step in self.ladder.steps if step.significant and step.change is not None]
        return sorted(steps, key=lambda step: step.change or 1.0)

    @property
    def control_deviation(self) -> float | None:
        """How much the anchor over the control varies between releases, although both are the same in all of them: the
        standard deviation of the log ratio, the median over workloads. None with fewer than two releases.
        """
        means = [
            [math.fsum(cell.control) / len(cell.control) for cell in self.ladder.cells if self._counts(cell, workload)]
            for workload in self.workloads
        ]
        deviations = [math.sqrt(variance_of(values)[0]) for values in means if len(values) > 1]
        return median(deviations) if deviations else None

    @staticmethod
    def _counts(cell: StoredCell, workload: str) -> bool:
        return cell.workload == workload and bool(cell.control)

    @property
    def unavailable(self) -> list[StoredCell]:
        """The cells that are not available."""
        return [cell for cell in self.ladder.cells if cell.status == "not available"]

    @property
    def undecided(self) -> list[StoredStep]:
        """The steps between releases that were measured, but too little to compare them."""
        return [step for step in self.ladder.steps if step.low is None and not self._lacks(step)]

    def _lacks(self, step: StoredStep) -> bool:
        return self.cells[step.after, step.workload].status == "not available"


def print_ladder(grid: Grid, console: Console) -> None:
    """Print the table of changes, and below it what it means: significant changes, gaps, and public reports."""
    table = Table(box=box.SIMPLE_HEAD, title="Change of speed from the release before (below 0 is slower)")
    table.add_column("Workload", overflow="fold")
    for release in grid.releases:
        table.add_column(release, justify="right", overflow="fold")
    for workload in grid.workloads:
        table.add_row(workload, *(_shown(grid, release, workload) for release in grid.releases))
    console.print(table)
    say(console, LEGEND)
    for line in lines_of(grid):
        say(console, line)


def lines_of(grid: Grid) -> list[str]:
    """Return what follows from the table, a line each."""
    significant = grid.significant
    lines = [f"{counted(len(significant), 'significant change')} in {counted(len(grid.ladder.steps), 'step')}."]
    lines += [
        f"  {step.workload}, {step.before} to {step.after}: {change_text(step.change, step.low, step.high)}"
        for step in significant
    ]
    deviation = grid.control_deviation
    if deviation is not None:
        lines.append(
            f"The anchor over the control, which no release changes, varied by {deviation:.1%} between releases "
            "(standard deviation, median over workloads)."
        )
    reasons: dict[tuple[str, str], list[str]] = {}
    for cell in grid.unavailable:
        reasons.setdefault((cell.release, cell.reason), []).append(cell.workload)
    lines += [
        f"Not available in {release}: {_listed(names, grid.workloads)} ({' '.join(reason.split())})"
        for (release, reason), names in reasons.items()
    ]
    lines += [f"Not decided: {step.workload}, {step.before} to {step.after}: {step.reason}" for step in grid.undecided]
    seen = [report for report in grid.ladder.reports if report.seen != "not measured"]
    lines += [
        f"Reported of {report.before} to {report.after}, {report.workload}: {report.direction}; {report.seen} here, "
        f"{change_text(report.change, report.low, report.high)} ({report.source})"
        for report in seen
    ]
    return lines


def csv_of_steps(ladder: StoredLadder) -> str:
    """Return the steps as CSV (RFC 4180), a line each; null is an empty cell."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    columns = StoredStep.__struct_fields__
    writer.writerow(columns)
    for step in ladder.steps:
        values = [getattr(step, column) for column in columns]
        writer.writerow([marked(value) if isinstance(value, str) else _number(value) for value in values])
    return stream.getvalue()


def _number(value: float | bool | None) -> float | str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else value


def _shown(grid: Grid, release: str, workload: str) -> Text:
    step = grid.steps.get((release, workload))
    style = _STYLES[step.change < 1] if step and step.significant and step.change is not None else ""
    return Text(grid.text(release, workload, interval=False), style)


def _listed(names: Sequence[str], every: Sequence[str]) -> str:
    return "all workloads" if len(names) == len(every) > 1 else ", ".join(names)
