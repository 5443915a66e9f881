"""How a training step divides into computing, communicating and waiting. Pure: no I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from perf.judge.statistics import median


@dataclass(frozen=True)
class StepBreakdown:
    """The parts of a training step, in seconds.

    `step_s`: a whole step. `compute_s`: a step without communication, mean over ranks. `slowest_s`: the same of the
    slowest rank of each step. `timeline_s`: wall time per step of each of Horovod's activities, on rank 0.
    """

    step_s: float
    compute_s: float
    slowest_s: float
    timeline_s: Mapping[str, float]

    @property
    def communication_share(self) -> float:
        """Return the fraction of a step spent in communication that does not overlap with compute."""
        return 1 - self.slowest_s / self.step_s

    @property
    def waiting_share(self) -> float:
        """Return the fraction of a step for which ranks wait for the slowest of them, mean over ranks."""
        return (self.slowest_s - self.compute_s) / self.step_s


def breakdown_of(ranks: Sequence[Mapping[str, Any]]) -> StepBreakdown:
    """Return the breakdown of a step from the answers of a job's ranks to "breakdown" (perf.worker.rank.throughput).

    Each answer holds `pairs_ns`, the durations of a step with and of a step without communication, alternating, and
    `timeline_ns` per step. Raises ValueError when there are no steps.
    """
    pairs = list(zip(*(rank["pairs_ns"] for rank in ranks), strict=True))
    step_s = median([max(whole for whole, _ in pair) for pair in pairs]) / 1e9
    slowest_s = median([max(alone for _, alone in pair) for pair in pairs]) / 1e9
    compute_s = median([sum(alone for _, alone in pair) / len(pair) for pair in pairs]) / 1e9
    timeline = {name: ns / 1e9 for name, ns in ranks[0]["timeline_ns"].items()}
    return StepBreakdown(step_s, compute_s, slowest_s, timeline)
