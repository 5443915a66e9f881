"""A training job in the place of a crew of instances: started once an invocation, asked for its steps in turns."""

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from perf.dist.data import JobEffort
from perf.dist.launch.cluster import ClusterLayout
from perf.dist.launch.job import Job, RankPlacement
from perf.dist.launch.running import READY, run_job, running
from perf.errors import WorkerError
from perf.judge.statistics import median
from perf.machine import Placement, check_pinning
from perf.measure.plan import Variant, Workload
from perf.measure.results import Slot, WarmUp, lost_share
from perf.measure.tiers import Effort
from perf.stack import Stack

# Horovod then begins an allreduce as soon as it is asked for: what is measured is what MPI takes, not the waiting.
AT_ONCE = {"HOROVOD_CYCLE_TIME": "0.1"}
RankResult = Mapping[str, Any]


@dataclass(frozen=True)
class TrainingJob:
    """A training job: its name for the same job elsewhere, the task of its ranks, and the environment variables
    of theirs that the suite chooses. Whose program it is knows how it is started.
    """

    distributed = True
    label: str
    ranks: int
    task: Mapping[str, Any]
    variables: Mapping[str, str]

    @property
    def settings(self) -> Mapping[str, Any]:
        """Its task, as plain JSON values."""
        found: dict[str, Any] = msgspec.to_builtins(self.task)
        return found

    def as_in(self, stored: Stack) -> "TrainingJob":
        """It, with a stored stack's settings, as far as it has such: of its variables only those that name no file."""
        variables = {k: v for k, v in stored.variables.items() if k in self.variables and "/" not in v}
        task = {name: stored.job.get(name, value) for name, value in self.task.items()}
        return replace(self, variables=variables, task=task)


@dataclass(frozen=True)
class JobStart:
    """Begins the crew of a training job (perf.measure.plan.Start)."""

    layout: ClusterLayout
    effort: JobEffort

    def placement_of(self, variant: Variant[TrainingJob]) -> tuple[str, ...]:
        """Where each rank of a variant runs."""
        return tuple(rank_placement.words for rank_placement in self._rank_placements(variant))

    def prefixes_of(self, variant: Variant[TrainingJob]) -> list[tuple[str, ...]]:
        """What stands before the command of each rank."""
        return [rank_placement.placement.prefix for rank_placement in self._rank_placements(variant)]

    def _rank_placements(self, variant: Variant[TrainingJob]) -> Sequence[RankPlacement]:
        return self.layout.rank_placements(variant.program.ranks)

    def __call__(
        self,
        variant: Variant[TrainingJob],
        placements: Sequence[Placement],  # noqa: ARG002 - those of instances: ranks have seats
        scratch: Path,
        *,
        timeout_s: float,
    ) -> "RankGroup":
        """WorkerError when its job cannot be started."""
        return RankGroup(variant, scratch, self, timeout_s=timeout_s)


class RankGroup:
    """The ranks of a variant's job, from its start to its end."""

    def __init__(self, variant: Variant[TrainingJob], scratch: Path, start: JobStart, *, timeout_s: float) -> None:
        self._program = variant.program
        self._build = variant.build
        self._rank_placements = start.layout.rank_placements(variant.program.ranks)
        self._effort = start.effort
        self._scratch = scratch
        self._timeout_s = timeout_s
        self._steps = start.effort.steps
        self._exits = ExitStack()
        self._ended = False
        try:
            self._cluster = self._exits.enter_context(start.layout.opened())
            job = self._job("throughput", {**variant.program.task, "extra_work": variant.extra_work})
            self._running = self._exits.enter_context(running(job, scratch))
        except OSError as error:
            self._exits.close()
            raise WorkerError(f"the job could not be started: {error}", "") from error
        except BaseException:
            self._exits.close()
            raise

    def close(self) -> None:
        """End the job; nothing of it is left afterwards."""
        self._ended = True
        self._exits.close()

    def hold(self) -> None:
        """Stop all ranks, and return once all of them have stopped. A job that has ended needs none of it."""
        if not self._ended:
            self._running.hold()

    def release(self) -> None:
        """Let all ranks run again."""
        self._running.release()

    def prepare(self, workload: Workload) -> None:  # noqa: ARG002 - the job's task says it all
        """Wait until every rank has its network."""
        self._running.answers(READY)

    def warm_up(self, effort: Effort) -> WarmUp:
        """Take untimed steps, and see how many of them fill a slot. Ranks prove in the end where they ran."""
        steps = self._effort.warm_up_steps
        taken = durations(self._train(steps)[0])
        self._steps = max(effort.slot_passes, math.ceil(effort.slot_s * 1e9 / taken[-1]))
        return WarmUp(steps, sum(taken), steady=True)

    def run(self, effort: Effort) -> Slot:  # noqa: ARG002 - how many steps that makes is known from the warm-up
        """Take as many steps as fill a slot; the steps of each rank."""
        found = self._train(self._steps)
        lost = [share for rank in found if (share := _lost_share(rank)) is not None]
        return Slot(tuple(durations(rank) for rank in found), max(lost, default=None))

    def finish(self) -> int:
        """Finish the job; the peak memory of all ranks, summed, in bytes."""
        return sum(rank["memory_bytes"] for rank in self.end())

    def end(self) -> list[dict[str, Any]]:
        """Finish the job; what each rank found. WorkerError also when their weights differ, or one ran
        elsewhere than it was put.
        """
        found = self._running.results()
        self._ended = True
        self._refuse_misplaced(found)
        return found

    def profile(self) -> list[RankResult]:
        """Where the time of steps goes, as each rank sees it."""
        return self._running.ask("profile", steps=self._effort.profile_steps)

    def allreduce_ns(self, sizes_bytes: Sequence[int], *, repeats: int) -> dict[int, float]:
        """The time of an allreduce of each size in ns: the median over repeats of the rank that took longest, in a job
        of its own on the same seats. WorkerError when that fails.
        """
        task = {"sizes_bytes": sizes_bytes, "repeats": repeats, "warm_up": 2}
        found = run_job(self._job("allreduce", task, AT_ONCE), self._scratch)
        self._refuse_misplaced(found)
        times = {size: zip(*(rank["allreduce_ns"][str(size)] for rank in found), strict=True) for size in sizes_bytes}
        return {size: median([max(repeat) for repeat in repeats]) for size, repeats in times.items()}

    def _train(self, steps: int) -> list[RankResult]:
        return self._running.ask("train", steps=steps)

    def _job(self, program: str, task: Mapping[str, Any], extra: Mapping[str, str] | None = None) -> Job:
        return Job(
            build=self._build,
            cluster=self._cluster,
            rank_placements=self._rank_placements,
            program=f"perf.worker.rank.{program}",
            task=task,
            deadline_s=self._timeout_s,
            variables=self._program.variables,
            extra=extra or {},
        )

    def _refuse_misplaced(self, found: Sequence[RankResult]) -> None:
        wrong = misplaced(found, self._rank_placements)
        if wrong:
            raise WorkerError("; ".join(wrong), "")


def durations(rank: RankResult) -> tuple[int, ...]:
    """The timed steps of a rank, in ns."""
    return tuple(end - start for start, end in rank["steps_ns"])


def misplaced(found: Sequence[RankResult], rank_placements: Sequence[RankPlacement]) -> list[str]:
    """Which ranks of a job ran elsewhere than they were put."""
    wrong = []
    for number, (rank, rank_placement) in enumerate(zip(found, rank_placements, strict=True)):
        where = f"rank {number} on {rank_placement.host or 'this host'}"
        wrong += [f"{where}: {problem}" for problem in check_pinning(rank_placement.placement, rank["proof"])]
    return wrong


def _lost_share(rank: RankResult) -> float | None:
    steps = rank["steps_ns"]
    return lost_share(rank["held_up_ns"], rank["stolen_ns"], steps[-1][1] - steps[0][0])
