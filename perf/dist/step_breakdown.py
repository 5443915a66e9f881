"""Where the time of a training step goes, from one job's own account. Pure: no I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from perf.judge.statistics import median


@dataclass(frozen=True)
class StepBreakdown:
    """A training step taken apart, in seconds. `step_s` is a step as it is; `compute_s` the same without talking to
    other ranks, the mean over ranks; `slowest_s` that of the rank that took longest, each time. `timeline_s` is the
    wall time per step of Horovod's own activities, on rank 0, by name.
    """

    step_s: float
    compute_s: float
    slowest_s: float
    timeline_s: Mapping[str, float]

    @property
    def communication_share(self) -> float:
        """The share of a step that is left when ranks need not talk: what communication costs that nothing hides."""
        return 1 - self.slowest_s / self.step_s

    @property
    def waiting_share(self) -> float:
        """The share of a step for which ranks wait for the slowest of them, on average."""
        return (self.slowest_s - self.compute_s) / self.step_s


def breakdown_of(ranks: Sequence[Mapping[str, Any]]) -> StepBreakdown:
    """From what the ranks of one job found (`turns_ns`: steps with and without talking, in turn). ValueError when none
    was profiled.
    """
    turns = list(zip(*(rank["turns_ns"] for rank in ranks), strict=True))
    step_s = median([max(step for step, _ in turn) for turn in turns]) / 1e9
    slowest_s = median([max(local for _, local in turn) for turn in turns]) / 1e9
    compute_s = median([sum(local for _, local in turn) / len(turn) for turn in turns]) / 1e9
    timeline = {name: ns / 1e9 for name, ns in ranks[0]["timeline_ns"].items()}
    return StepBreakdown(step_s, compute_s, slowest_s, timeline)
