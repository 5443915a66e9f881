"""From what was measured to the ladder that is stored."""

import time
from collections.abc import Sequence

from perf.builds import Build
from perf.judge.statistics import median
from perf.ladder.cells import ANCHOR, CONTROL, FAMILY, RELEASE, Cell
from perf.ladder.climb import Climb, Climbed
from perf.ladder.data import Rung, ladder_data
from perf.ladder.schema import SCHEMA, StoredCell, StoredLadder, StoredRung, StoredWorkload
from perf.ladder.steps import cells_in, reports_of, steps_of
from perf.measure.results import WorkloadResult
from perf.runs.record import NS_PER_S, log_speedups
from perf.runs.tolerances import Tolerances


def ladder_of(climb: Climb, climbed: Climbed, tolerances: Tolerances) -> StoredLadder:
    """Return the ladder that is stored. `tolerances` hold the variance that is assumed while cells are few."""
    assumed = tolerances.assumed_of(FAMILY)
    data = ladder_data()
    stored = _resolved([_stored_cell(cell, climbed) for cell in climbed.cells])
    workloads = {cell.workload.name: cell.workload.kind for cell in climbed.cells}
    cells = cells_in([rung.release for rung in climb.rungs], stored, assumed.prior(assumed.side_by_side))
    machine = climb.place.machine
    return StoredLadder(
        schema=SCHEMA,
        datetime=time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime()),
        machine_class=machine.machine_class,
        cpu=machine.cpu_model,
        placement=[placement.describe() for placement in climb.place.placements],
        tier=climb.tier_name,
        anchor=data.anchor,
        control=data.control,
        rungs=[_stored_rung(rung, climbed) for rung in climb.rungs],
        workloads=[StoredWorkload(name, kind) for name, kind in workloads.items()],
        cells=list(cells.cells.values()),
        steps=steps_of(cells, list(workloads)),
        reports=reports_of(cells, list(workloads), data.reports),
        wall_time_s={stage: round(seconds, 1) for stage, seconds in climbed.seconds.items()},
    )


def _stored_rung(rung: Rung, climbed: Climbed) -> StoredRung:
    build = climbed.builds.releases[rung.release]
    wheel, version = (build.content_sha256, build.facts.mxnet) if isinstance(build, Build) else (None, None)
    return StoredRung(release=rung.release, requirement=rung.requirement, wheel=wheel, version=version)


def _stored_cell(cell: Cell, climbed: Climbed) -> StoredCell:
    """The cell as it is stored: with its figures, or the reason why it has none."""
    release, workload = cell.rung.release, cell.workload.name
    if cell.same_as is not None:
        return StoredCell(release=release, workload=workload, status="same stack", reason=cell.same_as)
    if cell.plan is None:
        return StoredCell(release=release, workload=workload, status="not available", reason=cell.problem or "")
    result = climbed.results[cell.plan.key_of(cell.plan.workloads[0])]
    failed = next((result.failures[name] for name in (RELEASE, ANCHOR) if name in result.failures), None)
    if failed is not None:
        return StoredCell(release=release, workload=workload, status="not available", reason=failed.what)
    lost = result.failures.get(CONTROL)
    trace = climbed.traces.get((release, workload))
    return StoredCell(
        release=release,
        workload=workload,
        status="measured",
        reason=f"the control failed {lost.what}" if lost else "",
        values=[] if cell.is_anchor else log_speedups(result, ANCHOR, RELEASE),
        control=log_speedups(result, CONTROL, ANCHOR),
        latency_s=_latency_s(result, cell.variant.name),
        disturbed=len(result.invocations) - len(result.undisturbed.invocations),
        is_anchor=cell.is_anchor,
        kernels=trace.kernels if trace else None,
    )


def _latency_s(result: WorkloadResult, variant: str) -> float | None:
    """The median latency over all slots of a variant, in seconds."""
    slots = [slot.latency_ns for invocation in result.blocks_of(variant) for slot in invocation]
    return median(slots) / NS_PER_S if slots else None


def _resolved(cells: Sequence[StoredCell]) -> list[StoredCell]:
    """Return the cells; one with the stack of a cell that turned out not to be available is not available either."""
    failed = {(cell.release, cell.workload): cell.reason for cell in cells if cell.status == "not available"}
    return [
        StoredCell(release=cell.release, workload=cell.workload, status="not available", reason=reason)
        if cell.status == "same stack" and (reason := failed.get((cell.reason, cell.workload))) is not None
        else cell
        for cell in cells
    ]
