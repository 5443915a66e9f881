"""The changes from release to release, and which of them are significant over the whole ladder. Pure: no I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import msgspec

from perf.judge.change import Change, change_over_anchor
from perf.judge.holm import adjusted
from perf.judge.variance_prior import VariancePrior, prior_of, variance_of
from perf.ladder.data import Report
from perf.ladder.schema import Seen, StoredCell, StoredReport, StoredStep
from perf.wording import counted

# The probability of one or more false changes in a whole ladder; that of the gate in a run.
LEVEL = 0.01
# Fewer undisturbed invocations than this say nothing of a cell.
FEWEST = 2
# A report that nothing changed is seen if a change of this size is excluded, in both directions.
NOTHING = 0.05


@dataclass(frozen=True)
class Cells:
    """All `cells` of a ladder whose `releases` are in their order, with the `prior` of the variance of their ratios."""

    releases: Sequence[str]
    cells: Mapping[tuple[str, str], StoredCell]
    prior: VariancePrior

    def source(self, release: str, workload: str) -> StoredCell | None:
        """Return the cell that holds the figures of a release: its own, or that of an earlier release with the same
        stack; None when there are none.
        """
        cell = self.cells.get((release, workload))
        if cell is not None and cell.status == "same stack":
            return self.source(cell.reason, workload)
        return cell if cell is not None and cell.status == "measured" else None

    def problem(self, release: str, workload: str) -> str:
        """Return why a release has no usable figures of a workload; "" when it has."""
        cell, source = self.cells.get((release, workload)), self.source(release, workload)
        if cell is None:
            return f"{release} is not on this ladder"
        if source is None:
            return f"{cell.status} in {release}: {cell.reason}"
        if not source.is_anchor and len(source.values) < FEWEST:
            return f"{release} has {counted(len(source.values), 'undisturbed invocation')}; {FEWEST} are needed"
        return ""

    def change(self, before: str, after: str, workload: str) -> Change | None:
        """Return the change of a workload between two releases; None when one has no usable figures, or both run the
        same stack.
        """
        then, now = self.source(before, workload), self.source(after, workload)
        unusable = self.problem(before, workload) or self.problem(after, workload)
        if then is None or now is None or then is now or unusable:
            return None
        return change_over_anchor(now.values, then.values, self.prior)


def cells_in(releases: Sequence[str], cells: Sequence[StoredCell], default: VariancePrior) -> Cells:
    """Return the cells of a ladder, each with its speed over the anchor's, and the prior of their ratios; `default`
    holds while they are few.
    """
    prior = prior_of((variance_of(cell.values) for cell in cells), default)
    return Cells(releases, {(cell.release, cell.workload): _with_speed(cell, prior) for cell in cells}, prior)


def _with_speed(cell: StoredCell, prior: VariancePrior) -> StoredCell:
    if cell.is_anchor:
        return msgspec.structs.replace(cell, speed=1.0, low=1.0, high=1.0)
    if not cell.values:
        return cell
    change = change_over_anchor(cell.values, [], prior)
    low, high = change.interval() if change.known else (None, None)
    return msgspec.structs.replace(cell, speed=change.ratio, low=low, high=high)


def steps_of(cells: Cells, workloads: Sequence[str]) -> list[StoredStep]:
    """Return the steps of each workload: from each release to the next one that has figures of it.

    A step is significant if Holm's p-value over all steps of all workloads is at most `LEVEL`. Releases of the same
    stack have no change by construction, and do not count among them.
    """
    steps = [step for workload in workloads for step in _steps(cells, workload)]
    known = [place for place, step in enumerate(steps) if step.p_value is not None]
    levels = adjusted([steps[place].p_value or 0.0 for place in known])
    for place, level in zip(known, levels, strict=True):
        steps[place] = msgspec.structs.replace(steps[place], p_value=level, significant=level <= LEVEL)
    return steps


def _steps(cells: Cells, workload: str) -> list[StoredStep]:
    """The steps of a workload, each with its own p-value."""
    steps: list[StoredStep] = []
    before: str | None = None
    for release in cells.releases:
        problem = cells.problem(release, workload)
        if before is not None:
            steps.append(_step(cells, before, release, workload, problem))
        if not problem:
            before = release
    return steps


def _step(cells: Cells, before: str, after: str, workload: str, problem: str) -> StoredStep:
    if problem:
        return StoredStep(before=before, after=after, workload=workload, change=None, reason=problem)
    change = cells.change(before, after, workload)
    if change is None:
        reason = f"{after} runs the same stack as {before}: no change by construction"
        return StoredStep(before=before, after=after, workload=workload, change=1.0, low=1.0, high=1.0, reason=reason)
    low, high = change.interval() if change.known else (None, None)
    p_value = change.p_value if change.known else None
    return StoredStep(
        before=before, after=after, workload=workload, change=change.ratio, low=low, high=high, p_value=p_value
    )


def reports_of(cells: Cells, workloads: Sequence[str], reports: Sequence[Report]) -> list[StoredReport]:
    """Return what public reports said of steps, for each workload that they are about, and whether it is seen here."""
    compared = []
    for report in reports:
        about = [name for name in workloads if any(fnmatchcase(name, pattern) for pattern in report.workloads)]
        for name in about or [""]:
            change = cells.change(report.before, report.after, name)
            low, high = change.interval() if change is not None and change.known else (None, None)
            compared.append(
                StoredReport(
                    before=report.before,
                    after=report.after,
                    workload=name,
                    direction=report.direction,
                    statement=report.statement,
                    source=report.source,
                    seen=_seen(report, low, high),
                    change=None if change is None else change.ratio,
                    low=low,
                    high=high,
                )
            )
    return compared


def _seen(report: Report, low: float | None, high: float | None) -> Seen:
    """Whether an interval of speed after over before shows what a report said."""
    if low is None or high is None:
        return "not measured"
    if report.direction == "same":
        within, beyond = low > 1 - NOTHING and high < 1 + NOTHING, high < 1 - NOTHING or low > 1 + NOTHING
        return "seen" if within else "opposite" if beyond else "not seen"
    slower, faster = high < 1, low > 1
    if report.direction == "faster":
        slower, faster = faster, slower
    return "seen" if slower else "opposite" if faster else "not seen"
