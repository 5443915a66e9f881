"""Measure a ladder: trace its cells, and measure them in the suite's own engine."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from perf.errors import PerfError
from perf.ladder.cells import Builds, Cell, cells_of
from perf.ladder.data import LadderTier, Rung, tier_named
from perf.ladder.programs import prepared_workloads
from perf.ladder.setup import Place, conditions_of, effort_for, installed
from perf.ladder.traces import Traces, traced
from perf.machine import alone_on_machine
from perf.machine.scratch import scratch_folder
from perf.measure.engine import Conditions, measure
from perf.measure.family import Resources
from perf.measure.journal import Journal, NotResumableError
from perf.measure.ledger import Ledger
from perf.measure.plan import WorkloadKey
from perf.measure.results import WorkloadResult
from perf.report.progress import ProgressLine

# How long a worker may take to answer, as in a pytest session.
TIMEOUT_S = 600.0


@dataclass(frozen=True)
class Climb:
    """What a command measures: `rungs`, and the workloads of these `names` from the tier `tier_name`, in `minutes`, at
    a `place`.
    """

    rungs: Sequence[Rung]
    names: Sequence[str]
    tier_name: str
    minutes: float
    place: Place

    @property
    def tier(self) -> LadderTier:
        """The tier of its workloads."""
        return tier_named(self.tier_name)


@dataclass(frozen=True)
class Climbed:
    """What was measured: all `cells`, the `results` of those that have a plan, the `traces`, the `builds`, and the
    `seconds` by stage.
    """

    cells: Sequence[Cell]
    results: Mapping[WorkloadKey, WorkloadResult]
    traces: Traces
    builds: Builds
    seconds: Mapping[str, float]


def climbed(climb: Climb, folder: Path, cache: Path, progress: ProgressLine) -> Climbed:
    """Measure what the folder does not yet hold of a ladder.

    Raises PerfError when the folder holds another ladder or cannot be written to, when a network cannot be prepared, or
    when the time is too short.
    """
    # Before anything is installed or written: no cell may turn out to be unavailable.
    effort_for(climb.tier, climb.minutes, len(climb.rungs) * len(climb.names))
    ledger = Ledger()
    placements = climb.place.placements
    with _journal(folder, climb) as journal, scratch_folder() as scratch:
        with ledger.stage("installing"):
            builds, zoo = installed(climb.rungs, cache, progress.say)
        resources = Resources(
            build={"zoo": zoo}.__getitem__,
            placements=placements,
            cores=climb.place.machine.physical_cores,
            cache=cache,
            scratch=scratch,
            timeout_s=TIMEOUT_S,
            say=progress.say,
        )
        with ledger.stage("preparing"):
            workloads = prepared_workloads(climb.tier, climb.names, resources)
        cells = cells_of(climb.rungs, workloads, builds, placements)
        effort = effort_for(climb.tier, climb.minutes, sum(cell.plan is not None for cell in cells))
        with progress.shown(), alone_on_machine(wait=True, say=progress.say):
            with ledger.stage("tracing kernels"):
                cells, traces = traced(cells, resources, folder, climb.minutes * 60, progress.show)
            conditions = Conditions(
                placements=placements,
                effort=effort,
                timeout_s=TIMEOUT_S,
                scratch=scratch,
                journal=journal,
            )
            plans = [cell.plan for cell in cells if cell.plan is not None]
            results = measure(plans, {}, conditions, progress.show, ledger)
        if journal.problem is not None:
            progress.say(f"This ladder cannot be resumed: its journal cannot be written to ({journal.problem})")
    return Climbed(cells, results, traces, builds, ledger.seconds)


@contextmanager
def _journal(folder: Path, climb: Climb) -> Iterator[Journal]:
    """The journal of the folder, which no other command may use meanwhile."""
    elsewhere = "name another folder with --folder, or remove this one"
    try:
        journal = Journal(folder, conditions_of(climb.place, climb.tier))
    except NotResumableError as error:
        raise PerfError(error.what, subject=error.subject, next_step=elsewhere) from error
    except OSError as error:
        message = f"cannot be written to: {error.strerror}"
        raise PerfError(message, subject=str(folder), next_step=elsewhere) from error
    try:
        yield journal
    finally:
        journal.close()
