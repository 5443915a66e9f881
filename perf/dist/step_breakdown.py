"""How a training step divides into computing, communicating and waiting. Pure: no I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from perf.judge.statistics import median
from perf.measure.workers.runner import StepTimes


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
    pairs = _pairs(ranks)
    timeline = {name: ns / 1e9 for name, ns in ranks[0]["timeline_ns"].items()}
    return StepBreakdown(
        step_s=median(pairs.whole_ns) / 1e9,
        compute_s=median(pairs.alone_ns) / 1e9,
        slowest_s=median(pairs.slowest_ns) / 1e9,
        timeline_s=timeline,
    )


def times_of(ranks: Sequence[Mapping[str, Any]]) -> StepTimes:
    """Return the times of some steps from the answers of a job's ranks to "profile" (perf.worker.rank.throughput).

    Each answer holds `pairs_ns` as that to "breakdown" does, and `parts_ns`: for each step without communication whose
    parts ran one after the other, the durations of forward, backward and update, and the time in which none ran.
    """
    pairs = _pairs(ranks)
    steps = [
        [fmean(durations) for durations in zip(*of_ranks, strict=True)]
        for of_ranks in zip(*(rank["parts_ns"] for rank in ranks), strict=True)
    ]
    return StepTimes(
        whole_ns=pairs.whole_ns,
        slowest_ns=pairs.slowest_ns,
        alone_ns=pairs.alone_ns,
        parts_ns=tuple((forward, backward, update) for forward, backward, update, _ in steps),
        overhead_ns=tuple(overhead for *_, overhead in steps),
    )


@dataclass(frozen=True)
class _Pairs:
    """Steps with communication (`whole_ns`, the slowest rank's) and without (`slowest_ns`: the slowest rank's,
    `alone_ns`: mean over ranks).
    """

    whole_ns: tuple[float, ...]
    slowest_ns: tuple[float, ...]
    alone_ns: tuple[float, ...]


def _pairs(ranks: Sequence[Mapping[str, Any]]) -> _Pairs:
    pairs = list(zip(*(rank["pairs_ns"] for rank in ranks), strict=True))
    return _Pairs(
        tuple(max(whole for whole, _ in pair) for pair in pairs),
        tuple(max(alone for _, alone in pair) for pair in pairs),
        tuple(fmean(alone for _, alone in pair) for pair in pairs),
    )
