"""ImageNet's recipe on the user's own record files: trained on all ranks there is room for, and its top-1 judged."""

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
# How long an epoch may take at most, in seconds per image; a rank whose work stands still is noticed at once.
SLOWEST_S = 5.0
# ImageNet's index has 30 MB.
MAX_INDEX_BYTES = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class RecipeTask:
    """What the user asked for: record files to train on and to hold out, and what replaces the recipe's own figures."""

    train: Path
    held_out: Path
    network: str
    epochs: int
    batch: int
    examples: int

    @property
    def checkpoint(self) -> str:
        """The name of its file: of another run of the same, and of no other."""
        words = f"{self.train} {self.train.stat().st_size} {self.network} {self.batch} {self.examples}"
        return f"{self.network}-{hashlib.sha256(words.encode()).hexdigest()[:12]}.npz"


@dataclass(frozen=True)
class Trained:
    """Accuracies by epoch as shares (in training, held out), how many epochs were done before, on how many ranks."""

    curve: Sequence[tuple[float, float]]
    begun: int
    ranks: int


def count_records(path: Path) -> int:
    """How many images a record file holds: the lines of the index beside it, which MXNet's im2rec makes. PerfError
    without one, and for one that is larger than ImageNet's by far.
    """
    index = read_bytes(path.with_suffix(".idx"), next_step="make it with MXNet's im2rec", most=MAX_INDEX_BYTES)
    return sum(1 for line in index.splitlines() if line.strip())


def train(run: RecipeTask, build: Build, resources: Resources) -> Trained:
    """Train to the end, from the checkpoint in the cache if there is one. WorkerError when the job fails; the next run
    goes on from its last epoch.
    """
    recipe, layout = load().recipe, layout_of("host", resources)
    folder = resources.cache / "checkpoints"
    folder.mkdir(exist_ok=True)
    task = {
        "network": run.network,
        "train": str(run.train),
        "held_out": str(run.held_out),
        "checkpoint": str(folder / run.checkpoint),
        "epochs": run.epochs,
        "batch": run.batch,
        "examples": run.examples,
        "classes": recipe.classes,
        "size": recipe.size,
        "seed": SEED,
        "optimizer": load().optimizer,
        "schedule": msgspec.to_builtins(load().schedule),
        "threads": layout.every[0].placement.threads,
    }
    with layout.opened() as cluster:
        deadline_s = resources.timeout_s + SLOWEST_S * run.examples * run.epochs
        job = Job(
            build=build,
            cluster=cluster,
            rank_placements=layout.every,
            program=PROGRAM,
            task=task,
            deadline_s=deadline_s,
        )
        found = run_job(job, resources.scratch, lambda message: _tell(message, run, resources.say))
    curve = [(train, held_out) for train, held_out in found[0]["curve"]]
    return Trained(curve, found[0]["begun"], len(layout.every))


def _tell(message: Mapping[str, Any], run: RecipeTask, say: Callable[[str], None]) -> None:
    if "epoch" in message:
        accuracies = f"top-1 {message['accuracy']:.4f} in training, {message['held_out']:.4f} held out"
        say(f"{run.network}, epoch {message['epoch']} of {run.epochs}: {accuracies}")


def answer_of(run: RecipeTask, trained: Trained) -> CheckResult:
    """The last top-1 on held-out images beside the announcement's; judged only when the whole recipe was followed."""
    recipe = load().recipe
    top1 = trained.curve[-1][1] if trained.curve else math.nan
    least = recipe.published_top1 - recipe.allowed_drop
    whole = (run.network, len(trained.curve), run.examples) == (recipe.network, recipe.epochs, recipe.examples)
    problem = f"top-1 is {top1:.4f}, below {least:.4f}" if whole and not top1 >= least else None
    return CheckResult(
        "convergence, recipe",
        f"{run.network}, {len(trained.curve)} epochs, {trained.ranks} ranks",
        f"top-1 {top1:.4f} (published: {recipe.published_top1:.4f} after {recipe.epochs} epochs of {recipe.network})",
        f"{least:.4f}" if whole else "",
        problem,
    )
