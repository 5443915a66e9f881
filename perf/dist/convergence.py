"""Convergence on the digits: the same training on every number of ranks, and what must not depend on that number."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from perf.builds import Build
from perf.checks import CheckResult
from perf.dist.data import load
from perf.dist.launch.job import Cluster, Job, RankPlacement
from perf.dist.launch.running import run_job
from perf.judge.differences import PairedDifferences
from perf.measure.family import Resources
from perf.measure.workers.arrays import read_arrays

PROGRAM = "perf.worker.rank.convergence"
# A step takes milliseconds here, so ranks must exchange what is ready more often than in jobs.toml.
SHORT_CYCLE = {"HOROVOD_CYCLE_TIME": "1"}
# One false alarm in a hundred checks.
MIN_P_VALUE = 0.01


@dataclass(frozen=True, eq=False)
class ConvergenceRun:
    """One training.

    `name`: "plain" or "normalised" (with batch norm) and the seed. `curve`: accuracy in training and on the held-out
    images, between 0 and 1, by epoch. `predictions`: the class of each held-out image on rank 0. `weights`: those of
    rank 0 after training, by name. `agreed`: whether all ranks ended with the same weights.
    """

    name: str
    curve: Sequence[tuple[float, float]]
    predictions: NDArray[np.int64]
    weights: Mapping[str, NDArray[np.float32]]
    agreed: bool

    @property
    def held_out(self) -> float:
        """Return the last held-out accuracy."""
        return self.curve[-1][1]


ConvergenceRuns = Sequence[ConvergenceRun]


def train_digits(ranks: int, build: Build, resources: Resources, program: str = PROGRAM) -> ConvergenceRuns:
    """Train on a number of ranks: from each seed without batch norm, then from each seed with it.

    Raises WorkerError when the job fails.
    """
    training = load().digits
    folder = Path(mkdtemp(dir=resources.scratch, prefix=f"convergence-{ranks}-"))
    np.savez(folder / "data.npz", allow_pickle=False, **split_digits(training.held_out))
    # Ranks beyond the number of placements share cores: this check does not time them.
    rank_placements = tuple(
        RankPlacement(None, resources.rank_placements[rank % len(resources.rank_placements)]) for rank in range(ranks)
    )
    arguments = {
        "data": str(folder / "data.npz"),
        "weights": str(folder),
        "seeds": training.seeds,
        "epochs": training.epochs,
        "batch": training.batch,
        "optimizer": training.optimizer,
    }
    job = Job(
        build=build,
        cluster=Cluster(),
        rank_placements=rank_placements,
        program=program,
        arguments=arguments,
        deadline_s=resources.timeout_s,
        extra_variables=SHORT_CYCLE,
        timeouts=load().timeouts.extended(resources.timeout_s),
    )
    return _runs_of(run_job(job, resources.scratch), folder)


def split_digits(held_out: int) -> dict[str, NDArray[Any]]:
    """Return scikit-learn's 1797 digits as images (N, 1, 8, 8) between 0 and 1, and their labels (N).

    The last `held_out` of them are not trained on.
    """
    digits = load_digits()
    images = (digits.images[:, None] / 16).astype(np.float32)
    cut = len(images) - held_out
    return {
        "train": images[:cut],
        "train_labels": digits.target[:cut],
        "held_out": images[cut:],
        "held_out_labels": digits.target[cut:],
    }


def same_weights(one_rank: ConvergenceRuns, several: ConvergenceRuns, ranks: int) -> CheckResult:
    """Check that training without batch norm ends, from every seed, with the weights of one rank within rounding, and
    with the same predictions.
    """
    pairs = _pairs(one_rank, several, "plain")
    distance = max(_distance(a.weights, b.weights) for a, b in pairs)
    changed = sum(int((a.predictions != b.predictions).sum()) for a, b in pairs)
    allowed = load().digits.rounding
    problems = _disagreements(pairs)
    if not distance <= allowed:  # also when it is not a number
        problems.append(f"weights differ from those of one rank by {distance:.2g} of the largest, over {allowed:.2g}")
    if changed:
        problems.append(f"{changed} predictions on held-out images differ from those of one rank")
    return CheckResult(
        "convergence, weights",
        f"digits, {ranks} ranks",
        f"{distance:.1e} of the largest weight, {changed} different predictions, {len(pairs)} seeds",
        f"{allowed:.1e}, 0",
        "; ".join(problems) or None,
    )


def same_accuracy(one_rank: ConvergenceRuns, several: ConvergenceRuns, ranks: int) -> CheckResult:
    """Check the accuracy with batch norm, whose statistics each rank computes on its own: the mean difference from one
    rank must be within the range of the seeds on one rank, and not significant in pairs of the same seed.
    """
    pairs = _pairs(one_rank, several, "normalised")
    differences = PairedDifferences([b.held_out - a.held_out for a, b in pairs])
    seed_range = max(a.held_out for a, _ in pairs) - min(a.held_out for a, _ in pairs)
    problems = _disagreements(pairs)
    if abs(differences.mean) > seed_range:
        problems.append(
            f"accuracy differs by {differences.mean:+.2%} from that of one rank, whose seeds differ by {seed_range:.2%}"
        )
    if differences.p_value < MIN_P_VALUE:
        problems.append(
            f"accuracy differs by {differences.mean:+.2%} from that of one rank in pairs of the same seed, "
            f"p = {differences.p_value:.1e}"
        )
    low, high = differences.interval()
    return CheckResult(
        "convergence, accuracy",
        f"digits with batch norm, {ranks} ranks",
        f"{differences.mean:+.2%} [{low:+.2%}, {high:+.2%}], p = {differences.p_value:.2f}, {len(pairs)} seeds",
        f"{seed_range:.2%}, p > {MIN_P_VALUE}",
        "; ".join(problems) or None,
    )


def _pairs(
    one_rank: ConvergenceRuns, several: ConvergenceRuns, kind: str
) -> list[tuple[ConvergenceRun, ConvergenceRun]]:
    return [(a, b) for a, b in zip(one_rank, several, strict=True) if a.name.startswith(kind)]


def _disagreements(pairs: Sequence[tuple[ConvergenceRun, ConvergenceRun]]) -> list[str]:
    names = [several.name for _, several in pairs if not several.agreed]
    return [f"ranks ended with different weights: {', '.join(names)}"] if names else []


def _distance(a: Mapping[str, NDArray[np.float32]], b: Mapping[str, NDArray[np.float32]]) -> float:
    """Return the largest difference of any weight, relative to the largest weight."""
    if a.keys() != b.keys():
        return math.inf
    largest = max(float(np.abs(values).max()) for values in a.values())
    return float(np.max([np.abs(a[name] - b[name]).max() for name in a])) / largest


def _runs_of(ranks: Sequence[Mapping[str, Any]], folder: Path) -> ConvergenceRuns:
    """Return the trainings that the ranks of a job report; their weights are in `folder`."""
    runs = []
    for reports in zip(*(rank["runs"] for rank in ranks), strict=True):
        first = reports[0]
        weights = read_arrays(folder / f"{first['name']}.npz")
        agreed = len({report["sha256"] for report in reports}) == 1
        curve = [(train, held_out) for train, held_out in first["curve"]]
        runs.append(ConvergenceRun(first["name"], curve, np.array(first["predictions"]), weights, agreed))
    return runs
