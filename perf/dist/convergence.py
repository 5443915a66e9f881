"""Convergence on the digits: one training on every number of ranks, and what must be the same about it."""

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

PROGRAM = "perf.worker.rank.convergence"
# Steps take milliseconds here: ranks must ask one another what is ready more often than in jobs.toml.
OFTEN = {"HOROVOD_CYCLE_TIME": "1"}


@dataclass(frozen=True, eq=False)
class ConvergenceRun:
    """One training, as its ranks told of it: accuracies by epoch (in training, held out) as shares, the held-out
    predictions of rank 0, the trained weights by name, and whether all ranks ended with the same ones.
    """

    name: str
    curve: Sequence[tuple[float, float]]
    predictions: NDArray[np.int64]
    weights: Mapping[str, NDArray[np.float32]]
    agreed: bool

    @property
    def held_out(self) -> float:
        """The last held-out accuracy."""
        return self.curve[-1][1]


ConvergenceRuns = Sequence[ConvergenceRun]


def learn(ranks: int, build: Build, resources: Resources, program: str = PROGRAM) -> ConvergenceRuns:
    """Train on so many ranks: without batch norm from each seed, then with it. WorkerError when the job fails."""
    learning = load().learning
    folder = Path(mkdtemp(dir=resources.scratch, prefix=f"learning-{ranks}-"))
    np.savez(folder / "data.npz", allow_pickle=False, **digits(learning.held_out))
    # More ranks than seats share cores: what is looked at here is not how fast they are.
    rank_placements = tuple(
        RankPlacement(None, resources.rank_placements[rank % len(resources.rank_placements)]) for rank in range(ranks)
    )
    task = {
        "data": str(folder / "data.npz"),
        "weights": str(folder),
        "seeds": learning.seeds,
        "epochs": learning.epochs,
        "batch": learning.batch,
        "optimizer": learning.optimizer,
    }
    job = Job(
        build=build,
        cluster=Cluster(),
        rank_placements=rank_placements,
        program=program,
        task=task,
        deadline_s=resources.timeout_s,
        extra=OFTEN,
    )
    return _trainings(run_job(job, resources.scratch), folder)


def digits(held_out: int) -> dict[str, NDArray[Any]]:
    """scikit-learn's 1797 digits as images (N, 1, 8, 8) between 0 and 1: the last `held_out` are not trained on."""
    loaded = load_digits()
    images = (loaded.images[:, None] / 16).astype(np.float32)
    cut = len(images) - held_out
    return {
        "train": images[:cut],
        "train_labels": loaded.target[:cut],
        "held_out": images[cut:],
        "held_out_labels": loaded.target[cut:],
    }


def same_weights(alone: ConvergenceRuns, several: ConvergenceRuns, ranks: int) -> CheckResult:
    """Without batch norm: the weights of every seed are those of one rank within rounding, and so are the answers."""
    pairs = _pairs(alone, several, "plain")
    found = max(_distance(a.weights, b.weights) for a, b in pairs)
    others = sum(int((a.predictions != b.predictions).sum()) for a, b in pairs)
    allowed = load().learning.rounding
    wrong = _disagreeing(pairs)
    if not found <= allowed:  # also when it is not a number
        wrong.append(f"weights differ from those of one rank by {found:.2g} of the largest, over {allowed:.2g}")
    if others:
        wrong.append(f"{others} held-out images get another answer than on one rank")
    return CheckResult(
        "convergence, weights",
        f"digits, {ranks} ranks",
        f"{found:.1e} of the largest weight, {others} other answers, {len(pairs)} seeds",
        f"{allowed:.1e}, 0",
        "; ".join(wrong) or None,
    )


def same_accuracy(alone: ConvergenceRuns, several: ConvergenceRuns, ranks: int) -> CheckResult:
    """With batch norm, whose statistics are each rank's own: accuracy within the spread of the seeds on one rank, and
    no significant difference in pairs of the same seed.
    """
    pairs = _pairs(alone, several, "normalised")
    differences = PairedDifferences([b.held_out - a.held_out for a, b in pairs])
    spread = max(a.held_out for a, _ in pairs) - min(a.held_out for a, _ in pairs)
    wrong = _disagreeing(pairs)
    if abs(differences.mean) > spread:
        wrong.append(f"accuracy is {differences.mean:+.2%} off, and the seeds on one rank spread over {spread:.2%}")
    if differences.p_value < 0.01:  # noqa: PLR2004 - one false alarm in a hundred looks
        wrong.append(
            f"accuracy is {differences.mean:+.2%} off in pairs of the same seed, p = {differences.p_value:.1e}"
        )
    low, high = differences.interval()
    return CheckResult(
        "convergence, accuracy",
        f"digits with batch norm, {ranks} ranks",
        f"{differences.mean:+.2%} [{low:+.2%}, {high:+.2%}], p = {differences.p_value:.2f}, {len(pairs)} seeds",
        f"{spread:.2%}, p > 0.01",
        "; ".join(wrong) or None,
    )


def _pairs(alone: ConvergenceRuns, several: ConvergenceRuns, kind: str) -> list[tuple[ConvergenceRun, ConvergenceRun]]:
    return [(a, b) for a, b in zip(alone, several, strict=True) if a.name.startswith(kind)]


def _disagreeing(pairs: Sequence[tuple[ConvergenceRun, ConvergenceRun]]) -> list[str]:
    names = [several.name for _, several in pairs if not several.agreed]
    return [f"ranks ended with different weights: {', '.join(names)}"] if names else []


def _distance(a: Mapping[str, NDArray[np.float32]], b: Mapping[str, NDArray[np.float32]]) -> float:
    """The largest difference of any weight, relative to the largest weight of all."""
    if a.keys() != b.keys():
        return math.inf
    largest = max(float(np.abs(values).max()) for values in a.values())
    return float(np.max([np.abs(a[name] - b[name]).max() for name in a])) / largest


def _trainings(ranks: Sequence[Mapping[str, Any]], folder: Path) -> ConvergenceRuns:
    found = []
    for told in zip(*(rank["trainings"] for rank in ranks), strict=True):
        first = told[0]
        with np.load(folder / f"{first['name']}.npz") as saved:
            weights = dict(saved)
        agreed = len({rank["sha256"] for rank in told}) == 1
        curve = [(train, held_out) for train, held_out in first["curve"]]
        found.append(ConvergenceRun(first["name"], curve, np.array(first["predictions"]), weights, agreed))
    return found
