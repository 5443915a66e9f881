"""The recipe for ImageNet on the user's own record files: trained on all ranks that fit, and its top-1 checked."""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from perf.builds import Build
from perf.checks import CheckResult
from perf.dist.data import load
from perf.dist.launch.cluster import layout_of
from perf.dist.launch.job import Job
from perf.dist.launch.running import run_job
from perf.files import read_bytes
from perf.measure.family import Resources
from perf.measure.workers.worker_group import SEED

PROGRAM = "perf.worker.rank.recipe"
# The deadline of the job, in seconds for each image of each epoch. Generous: a stalled rank is noticed within seconds.
SLOWEST_IMAGE_S = 5.0
# The index of ImageNet's training images has 30 MB.
MAX_INDEX_BYTES = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class RecipeTask:
    """What the user wants trained.

    `train`, `held_out`: record files to train on, and to compute top-1 on. `network`: of gluon's model zoo. `epochs`:
    passes over the training images. `batch`: images per rank and step. `examples`: training images.
    """

    train: Path
    held_out: Path
    network: str
    epochs: int
    batch: int
    examples: int

    @property
    def checkpoint(self) -> str:
        """Return the name of its checkpoint, which only the same training resumes. Raises OSError without `train`."""
        identity = f"{self.train} {self.train.stat().st_size} {self.network} {self.batch} {self.examples}"
        return f"{self.network}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}.npz"


@dataclass(frozen=True)
class RecipeResult:
    """What a training achieved.

    `curve`: accuracy in training and on the held-out images, between 0 and 1, by epoch. `resumed_epochs`: how many of
    them an earlier session trained. `ranks`: how many ranks trained.
    """

    curve: Sequence[tuple[float, float]]
    resumed_epochs: int
    ranks: int


def count_records(path: Path) -> int:
    """Return how many images a record file holds: the lines of the index beside it, which MXNet's im2rec writes.

    Raises PerfError when there is no index, or it is much larger than ImageNet's.
    """
    index = read_bytes(path.with_suffix(".idx"), next_step="create it with MXNet's im2rec", most=MAX_INDEX_BYTES)
    return sum(1 for line in index.splitlines() if line.strip())


def train(task: RecipeTask, build: Build, resources: Resources) -> RecipeResult:
    """Train all epochs, resuming from a checkpoint in the cache if there is one.

    Raises WorkerError when the job fails; its finished epochs are kept in the checkpoint.
    """
    recipe, layout = load().recipe, layout_of("host", resources)
    folder = resources.cache / "checkpoints"
    folder.mkdir(exist_ok=True)
    arguments = {
        "network": task.network,
        "train": str(task.train),
        "held_out": str(task.held_out),
        "checkpoint": str(folder / task.checkpoint),
        "epochs": task.epochs,
        "batch": task.batch,
        "examples": task.examples,
        "classes": recipe.classes,
        "size": recipe.size,
        "seed": SEED,
        "optimizer": load().optimizer,
        "schedule": msgspec.to_builtins(load().schedule),
        "threads": layout.rank_placements[0].placement.threads,
    }
    with layout.open_cluster() as cluster:
        job = Job(
            build=build,
            cluster=cluster,
            rank_placements=layout.rank_placements,
            program=PROGRAM,
            arguments=arguments,
            deadline_s=resources.timeout_s + SLOWEST_IMAGE_S * task.examples * task.epochs,
            timeouts=load().timeouts.extended(resources.timeout_s),
        )
        ranks = run_job(job, resources.scratch, lambda message: _report_epoch(message, task, resources.say))
    curve = [(train, held_out) for train, held_out in ranks[0]["curve"]]
    return RecipeResult(curve, ranks[0]["resumed_epochs"], len(layout.rank_placements))


def _report_epoch(message: Mapping[str, Any], task: RecipeTask, say: Callable[[str], None]) -> None:
    if "epoch" in message:
        accuracies = f"top-1 {message['accuracy']:.4f} in training, {message['held_out']:.4f} held out"
        say(f"{task.network}, epoch {message['epoch']} of {task.epochs}: {accuracies}")


def check_top1(task: RecipeTask, result: RecipeResult) -> CheckResult:
    """Compare the last top-1 on the held-out images with the announcement's. It is judged only for the whole recipe:
    its network, its epochs and all of ImageNet's images.
    """
    recipe = load().recipe
    top1 = result.curve[-1][1] if result.curve else math.nan
    least = recipe.published_top1 - recipe.allowed_drop
    epochs, ranks = len(result.curve), result.ranks
    whole = (task.network, epochs, task.examples) == (recipe.network, recipe.epochs, recipe.examples)
    problem = f"top-1 is {top1:.4f}, below {least:.4f}" if whole and not top1 >= least else None
    return CheckResult(
        "convergence, recipe",
        f"{task.network}, {epochs} epoch{'s' * (epochs != 1)}, {ranks} rank{'s' * (ranks != 1)}",
        f"top-1 {top1:.4f} (published: {recipe.published_top1:.4f} after {recipe.epochs} epochs of {recipe.network})",
        f"{least:.4f}" if whole else "",
        problem,
    )
