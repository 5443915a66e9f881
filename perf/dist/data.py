"""How jobs are run and what is trained, from `jobs.toml`."""

from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from perf.files import read_toml

DATA = Path(__file__).with_name("jobs.toml")
# Where ranks run: on this host or those of --perf-hosts, or on two hosts that are emulated on this one.
Place = Literal["host", "emulated"]


class JobDeadlines(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """In seconds: how long a rank may be silent, how long its work may stand still (after and before its first step),
    how long a rank's guard may hear nothing from the launcher, and how long a process may take to end when asked to.
    """

    silence_s: float
    stall_s: float
    first_s: float
    deaf_s: float
    grace_s: float


class RankSplit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a tier trains: networks, images per rank and step, builds, and where."""

    networks: list[str]
    batches: list[int]
    builds: list[str]
    places: list[Place]


class JobEffort(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How hard a tier measures jobs: how often with fresh ones of each rank count, for how many seconds each time, how
    many seconds and steps make a slot (at least), how many untimed steps come before, and how many of each kind show
    where the time goes.
    """

    invocations: int
    block_budget_s: float
    slot_s: float
    steps: int
    warm_up_steps: int
    profile_steps: int


class Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The cable between two emulated hosts: 10^9 bits a second, and the rest in the words of tc(8)."""

    gbit_per_s: float
    burst: str
    queue: str
    delay: str


class AllreduceSizes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of which messages the cost is measured, and how often each."""

    sizes_bytes: list[int]
    repeats: int


class DigitsTraining(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The digits: on how many ranks they are learned, from which seeds, in how many epochs of which global batch, how
    many are held out, how far weights may be apart (as a share of the largest), and SGD's parameters.
    """

    ranks: list[int]
    seeds: list[int]
    epochs: int
    batch: int
    held_out: int
    rounding: float
    optimizer: dict[str, float]


class Schedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the learning rate changes by epoch: from that of the warm-up to its own, and by a factor after some."""

    warm_up_epochs: int
    warm_up_learning_rate: float
    decay_epochs: list[int]
    decay: float


class ImageNetRecipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """ImageNet's recipe: what is trained on which images, and the top-1 that it must come to, as a share."""

    network: str
    epochs: int
    batch: int
    examples: int
    classes: int
    size: int
    published_top1: float
    allowed_drop: float


class StepMemory(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a step of a network keeps in memory, in 10^6 FP32 values: parameters, and for one image the outputs of all
    operators.
    """

    parameters: float
    outputs: float


class Jobs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of the file. `variables` by whose they are: Horovod's, and those of either MPI. `networks` with the 10^9
    floating-point operations of a training step per image; `memory` is by network too.
    """

    limits: JobDeadlines
    variables: dict[str, dict[str, str]]
    optimizer: dict[str, float]
    schedule: Schedule
    networks: dict[str, float]
    memory: dict[str, StepMemory]
    tiers: dict[str, RankSplit]
    efforts: dict[str, JobEffort]
    link: Link
    allreduce: AllreduceSizes
    learning: DigitsTraining
    recipe: ImageNetRecipe


@cache
def load() -> Jobs:
    """The data, read once."""
    return read_toml(DATA, Jobs)
