"""A training job in the place of a crew of instances: each slot is a fresh job."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perf.dist.data import JobEffort
from perf.dist.job import Job, Seat
from perf.dist.launch import run_job
from perf.dist.places import Seating
from perf.judge.statistics import median
from perf.machine import Placement, check_pinning
from perf.measure.instance import WorkerError
from perf.measure.plan import Effort, Training, Variant, Workload
from perf.measure.results import Slot, WarmUp

# Horovod then begins an allreduce as soon as it is asked for: what is measured is what MPI takes, not the waiting.
AT_ONCE = {"HOROVOD_CYCLE_TIME": "0.1"}
RankResult = Mapping[str, Any]


@dataclass(frozen=True)
class JobStart:
    """Begins the crew of a training job (perf.measure.plan.Start)."""

    seating: Seating
    effort: JobEffort

    def placement_of(self, variant: Variant) -> tuple[str, ...]:
        """Where each rank of a variant runs; () for one that is no training job."""
        ranks = variant.program.ranks if isinstance(variant.program, Training) else 0
        return tuple(seat.words for seat in self.seating.seats(ranks))

    def __call__(
        self,
        variant: Variant,
        placements: Sequence[Placement],  # noqa: ARG002 - those of instances: ranks have seats
        scratch: Path,
        *,
        timeout_s: float,
    ) -> "TrainingCrew":
        """TypeError for a variant that is no training job."""
        return TrainingCrew(variant, scratch, self, timeout_s=timeout_s)


class TrainingCrew:
    """Runs a variant's job anew for each slot: what jobs have in common is then the program, not a process."""

    pids: Sequence[int] = ()

    def __init__(self, variant: Variant, scratch: Path, start: JobStart, *, timeout_s: float) -> None:
        if not isinstance(variant.program, Training):
            raise TypeError(f"{variant.name} is no training job")
        self._variant = variant
        self._program = variant.program
        self._scratch = scratch
        self._start = start
        self._timeout_s = timeout_s
        self._memory_bytes = 0

    def close(self) -> None:
        """Nothing: a job ends with its slot."""

    def load(self) -> None:
        """Nothing: each job loads by itself."""

    def bind(self, workload: Workload) -> None:  # noqa: ARG002
        """Nothing: the job's task says it all."""
        self._memory_bytes = 0

    def warm_up(self, effort: Effort) -> WarmUp:  # noqa: ARG002 - each job warms itself up
        return WarmUp(0, 0, steady=True)

    def prove_pinning(self) -> None:
        """Nothing: each job proves it, and is refused when it cannot."""

    def run(self, effort: Effort) -> Slot:
        """Run a job; the steps of each of its ranks. WorkerError when it fails, or does not do what it should."""
        found = self.train(
            min_steps=effort.slot_passes,
            min_duration_s=effort.slot_s,
            local_steps=0,
            timeline_steps=0,
            extra_work=self._variant.extra_work,
        )
        self._memory_bytes = max(self._memory_bytes, sum(rank["memory_bytes"] for rank in found))
        lost = [share for rank in found if (share := _lost_share(rank)) is not None]
        return Slot(tuple(durations(rank) for rank in found), max(lost, default=None))

    def unbind(self) -> int:
        return self._memory_bytes

    def train(self, **steps: float) -> list[dict[str, Any]]:
        """Train; what the ranks found. WorkerError as for `run`."""
        task = {**self._program.task, "warm_up_steps": self._start.effort.warm_up_steps, "extra_work": 0.0, **steps}
        return self._job("throughput", task)

    def allreduce_ns(self, sizes_bytes: Sequence[int], *, repeats: int) -> dict[int, float]:
        """The time of an allreduce of each size in ns: the median over repeats of the rank that took longest.
        WorkerError as for `run`.
        """
        task = {"sizes_bytes": sizes_bytes, "repeats": repeats, "warm_up": 2}
        found = self._job("allreduce", task, AT_ONCE)
        times = {size: zip(*(rank["allreduce_ns"][str(size)] for rank in found), strict=True) for size in sizes_bytes}
        return {size: median([max(repeat) for repeat in repeats]) for size, repeats in times.items()}

    def _job(
        self, program: str, task: Mapping[str, Any], extra: Mapping[str, str] | None = None
    ) -> list[dict[str, Any]]:
        seats = self._start.seating.seats(self._program.ranks)
        with self._start.seating.opened() as cluster:
            job = Job(
                build=self._variant.build,
                cluster=cluster,
                seats=seats,
                program=f"perf.worker.rank.{program}",
                task=task,
                deadline_s=self._timeout_s,
                variables=self._program.variables,
                extra=extra or {},
            )
            found = run_job(job, self._scratch)
        wrong = misplaced(found, seats)
        if wrong:
            raise WorkerError("; ".join(wrong), "")
        return found


def durations(rank: RankResult) -> tuple[int, ...]:
    """The timed steps of a rank, in ns."""
    return tuple(end - start for start, end in rank["steps_ns"])


def misplaced(found: Sequence[RankResult], seats: Sequence[Seat]) -> list[str]:
    """Which ranks of a job ran elsewhere than they were put."""
    wrong = []
    for number, (rank, seat) in enumerate(zip(found, seats, strict=True)):
        where = f"rank {number} on {seat.host or 'this host'}"
        wrong += [f"{where}: {problem}" for problem in check_pinning(seat.placement, rank["proof"])]
    return wrong


def _lost_share(rank: RankResult) -> float | None:
    lost = [rank[name] for name in ("held_up_ns", "stolen_ns") if rank[name] is not None]
    return sum(lost) / (rank["steps_ns"][-1][1] - rank["steps_ns"][0][0]) if lost else None
