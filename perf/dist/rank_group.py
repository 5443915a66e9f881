"""The ranks of a training job as the engine runs them: one job an invocation, asked for steps in turns."""

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perf.dist.data import JobEffort, load
from perf.dist.launch.cluster import ClusterLayout
from perf.dist.launch.job import Job, RankPlacement
from perf.dist.launch.running import READY, run_job, running
from perf.dist.program import TrainingProgram
from perf.dist.step_breakdown import times_of
from perf.errors import WorkerError
from perf.judge.statistics import median
from perf.machine import Placement, check_pinning
from perf.measure.plan import Variant, Workload
from perf.measure.results import Slot, WarmUp, lost_share
from perf.measure.tiers import Effort
from perf.measure.workers.runner import StepTimes

# Horovod then starts an allreduce as soon as it is requested: MPI is timed, not Horovod's waiting.
WITHOUT_WAITING = {"HOROVOD_CYCLE_TIME": "0.1"}
# The first allreduces of each size allocate buffers and open connections.
ALLREDUCE_WARM_UP = 2
RankResult = Mapping[str, Any]


@dataclass(frozen=True)
class JobStart:
    """Starts the job of a variant (a `perf.measure.workers.runner.Start`).

    layout: where its ranks run.
    effort: how hard it is measured.
    """

    layout: ClusterLayout
    effort: JobEffort

    def placement_of(self, variant: Variant[TrainingProgram]) -> tuple[str, ...]:
        """Return the description of each rank's placement."""
        return tuple(rank_placement.describe() for rank_placement in self._rank_placements(variant))

    def prefixes_of(self, variant: Variant[TrainingProgram]) -> list[tuple[str, ...]]:
        """Return the launch prefix of each rank."""
        return [rank_placement.placement.prefix for rank_placement in self._rank_placements(variant)]

    def _rank_placements(self, variant: Variant[TrainingProgram]) -> Sequence[RankPlacement]:
        return self.layout.first(variant.program.ranks)

    def __call__(
        self,
        variant: Variant[TrainingProgram],
        placements: Sequence[Placement],  # noqa: ARG002 - those of instances: ranks have placements of their own
        scratch: Path,
        *,
        timeout_s: float,
    ) -> "RankGroup":
        """Launch the job, with files in `scratch`. Raises WorkerError when that fails."""
        return RankGroup(variant, scratch, self, timeout_s=timeout_s)

    def profiled(
        self,
        variant: Variant[TrainingProgram],
        scratch: Path,
        *,
        timeout_s: float,
        variables: Mapping[str, str] | None = None,
    ) -> "RankGroup":
        """Launch the job to profile its steps, with more environment variables. Raises WorkerError when that fails."""
        return RankGroup(variant, scratch, self, timeout_s=timeout_s, variables=variables)


class RankGroup:
    """The ranks of a variant's job, from its launch to its end: a `Runner`, or `ProfiledSteps` (perf.measure.workers).

    Methods that wait for ranks raise WorkerError when the job fails, or takes longer than `timeout_s`.
    """

    def __init__(
        self,
        variant: Variant[TrainingProgram],
        scratch: Path,
        start: JobStart,
        *,
        timeout_s: float,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self._program = variant.program
        self._build = variant.build
        self._rank_placements = start.layout.first(variant.program.ranks)
        self._effort = start.effort
        self._scratch = scratch
        self._timeout_s = timeout_s
        self._slot_steps = start.effort.slot_steps
        self._exits = ExitStack()
        self._ended = False
        try:
            self._cluster = self._exits.enter_context(start.layout.open_cluster())
            job = self._job("throughput", {**variant.program.arguments, "extra_work": variant.extra_work}, variables)
            self._running = self._exits.enter_context(running(job, scratch))
        except OSError as error:
            self._exits.close()
            raise WorkerError(f"the job could not be launched: {error}", "") from error
        except BaseException:
            self._exits.close()
            raise

    def close(self) -> None:
        """End the job and all its processes."""
        self._ended = True
        self._exits.close()

    def hold(self) -> None:
        """Stop all ranks, and return once all of them have stopped. Does nothing when the job has ended."""
        if not self._ended:
            self._running.hold()

    def release(self) -> None:
        """Let all ranks run again."""
        self._running.release()

    def prepare(self, workload: Workload) -> None:  # noqa: ARG002 - the arguments of the program describe it
        """Wait until every rank has its network."""
        self._running.answers(READY)

    def warm_up(self, effort: Effort) -> WarmUp:
        """Take untimed steps, and compute from the last of them how many steps fill a slot.

        Where ranks ran is checked at the end, by `results`.
        """
        steps = self._effort.warm_up_steps
        taken_ns = durations_ns(self._train(steps)[0])
        self._slot_steps = max(effort.slot_passes, math.ceil(effort.slot_s * 1e9 / taken_ns[-1]))
        return WarmUp(steps, sum(taken_ns), steady=True)

    def run(self, effort: Effort) -> Slot:  # noqa: ARG002 - the warm-up has computed the number of steps
        """Take as many steps as fill a slot, and return the durations of every rank."""
        ranks = self._train(self._slot_steps)
        lost = [fraction for rank in ranks if (fraction := _lost_fraction(rank)) is not None]
        return Slot(tuple(durations_ns(rank) for rank in ranks), max(lost, default=None))

    def finish(self) -> int:
        """End the job, and return the peak memory of all ranks, summed, in bytes."""
        return sum(rank["memory_bytes"] for rank in self.results())

    def results(self) -> list[dict[str, Any]]:
        """End the job, and return the result of each rank.

        Raises WorkerError, too, when the weights of ranks differ, or a rank did not run where it was placed.
        """
        results = self._running.results()
        self._ended = True
        self._refuse_misplaced(results)
        return results

    @property
    def ranks(self) -> int:
        """Return how many there are."""
        return len(self._rank_placements)

    def profile(self, steps: int) -> StepTimes:
        """Take this number of steps of each kind, and return their times (`perf.dist.step_breakdown`)."""
        return times_of(self._running.ask("profile", steps=steps))

    def mark(self, steps: int) -> str:
        """Take steps that mark in MKL-DNN's trace where each part ends; end the job, and return what rank 0 wrote."""
        self._running.ask("mark", steps=steps)
        self.results()
        return self._running.log_text(0)

    def step_parts(self) -> list[RankResult]:
        """Return what each rank measured for the breakdown of a step (`perf.dist.step_breakdown`)."""
        return self._running.ask("breakdown", steps=self._effort.breakdown_steps)

    def allreduce_ns(self, sizes_bytes: Sequence[int], *, repeats: int) -> dict[int, float]:
        """Return the duration of an allreduce of each size in ns: the slowest rank's, median over `repeats`.

        It is measured in another job on the same placements. Raises WorkerError when that fails.
        """
        arguments = {"sizes_bytes": sizes_bytes, "repeats": repeats, "warm_up": ALLREDUCE_WARM_UP}
        ranks = run_job(self._job("allreduce", arguments, WITHOUT_WAITING), self._scratch)
        self._refuse_misplaced(ranks)
        times = {size: zip(*(rank["allreduce_ns"][str(size)] for rank in ranks), strict=True) for size in sizes_bytes}
        return {size: median([max(ranks_ns) for ranks_ns in repeated]) for size, repeated in times.items()}

    def _train(self, steps: int) -> list[RankResult]:
        return self._running.ask("train", steps=steps)

    def _job(self, name: str, arguments: Mapping[str, Any], extra_variables: Mapping[str, str] | None = None) -> Job:
        return Job(
            build=self._build,
            cluster=self._cluster,
            rank_placements=self._rank_placements,
            program=f"perf.worker.rank.{name}",
            arguments=arguments,
            deadline_s=self._timeout_s,
            variables=self._program.variables,
            extra_variables=extra_variables or {},
            timeouts=load().timeouts.extended(self._timeout_s),
        )

    def _refuse_misplaced(self, ranks: Sequence[RankResult]) -> None:
        problems = misplaced(ranks, self._rank_placements)
        if problems:
            raise WorkerError("; ".join(problems), "")


def durations_ns(rank: RankResult) -> tuple[int, ...]:
    """Return the durations of a rank's timed steps in ns."""
    return tuple(end - start for start, end in rank["steps_ns"])


def misplaced(ranks: Sequence[RankResult], rank_placements: Sequence[RankPlacement]) -> list[str]:
    """Return, for each rank of a job that did not run where it was placed, what its proof shows instead."""
    problems = []
    for number, (rank, rank_placement) in enumerate(zip(ranks, rank_placements, strict=True)):
        where = f"rank {number} on {rank_placement.host or 'this host'}"
        problems += [f"{where}: {problem}" for problem in check_pinning(rank_placement.placement, rank["proof"])]
    return problems


def _lost_fraction(rank: RankResult) -> float | None:
    """Return which part of its steps' time a rank lost to other programs; None where the kernel does not count it."""
    steps_ns = rank["steps_ns"]
    return lost_share(rank["held_up_ns"], rank["stolen_ns"], steps_ns[-1][1] - steps_ns[0][0])
