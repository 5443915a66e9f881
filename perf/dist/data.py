"""What is trained and how training jobs are run: the contents of `jobs.toml`."""

from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from perf.files import read_toml

DATA = Path(__file__).with_name("jobs.toml")
# Where ranks run: "host" is this host or the hosts of --perf-hosts, "emulated" is two hosts emulated on this one.
Place = Literal["host", "emulated"]


class Timeouts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a job is given up, in seconds.

    `for_timeout_s`: the `--perf-timeout` that they are meant for. `start_s`: since the launch, or the last message, of
    a rank that has not started yet. `silence_s`: since the last message of one that has. `stall_s`: without a step, on
    top of five of the rank's longest steps. `first_step_s`: without a step, before the first one.
    `launcher_silence_s`: since the launcher's last message to a rank's guard. `exit_s`: between asking a process to end
    and killing it.
    """

    for_timeout_s: float
    start_s: float
    silence_s: float
    stall_s: float
    first_step_s: float
    launcher_silence_s: float
    exit_s: float

    def extended(self, timeout_s: float) -> "Timeouts":
        """Return these with the limits on silence, start and first step extended as far as `timeout_s`, that of
        `--perf-timeout`, exceeds `for_timeout_s`. A shorter one changes nothing: it is the deadline of the whole job.
        """
        factor = max(1.0, timeout_s / self.for_timeout_s)
        longer = {name: factor * getattr(self, name) for name in ("start_s", "silence_s", "first_step_s")}
        return msgspec.structs.replace(self, **longer)


class TierCases(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a tier trains: every combination of these."""

    networks: Annotated[list[str], Meta(description="networks that are trained")]
    batches: Annotated[list[int], Meta(description="images per rank and step")]
    builds: Annotated[list[str], Meta(description="builds that train")]
    places: Annotated[
        list[Place],
        Meta(description="where ranks run: on this host or those of --perf-hosts, or on two emulated hosts"),
    ]


class JobEffort(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How hard a tier measures jobs."""

    invocations: Annotated[int, Meta(description="fewest fresh jobs of each rank count")]
    block_budget_s: Annotated[float, Meta(description="seconds to measure each of them")]
    slot_s: Annotated[float, Meta(description="shortest slot, in seconds")]
    slot_steps: Annotated[int, Meta(description="fewest steps of a slot")]
    warm_up_steps: Annotated[int, Meta(description="untimed steps before the first slot")]
    breakdown_steps: Annotated[
        int, Meta(description="steps of each kind from which the breakdown of a step is computed")
    ]


class Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The link between two emulated hosts. `gbit_per_s` is its rate in 10^9 bits a second; the other fields are in the
    syntax of tc(8), units included: `burst` is the size of the token bucket, `queue` how long a packet may wait for
    tokens, and `delay` what is added to every packet.
    """

    gbit_per_s: float
    burst: str
    queue: str
    delay: str


class AllreduceTiming(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the cost of an allreduce is measured: `sizes_bytes` of its messages, and `repeats` of each size."""

    sizes_bytes: list[int]
    repeats: int


class DigitsTraining(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the convergence check trains on the digits.

    `ranks`: the rank counts to compare. `seeds`: one training from each. `epochs`: of each training. `batch`: images of
    a step, over all ranks. `held_out`: images that are not trained on. `rounding`: the largest difference allowed
    between weights, relative to the largest weight. `optimizer`: the parameters of SGD.
    """

    ranks: list[int]
    seeds: list[int]
    epochs: int
    batch: int
    held_out: int
    rounding: float
    optimizer: dict[str, float]


class LearningRateSchedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the learning rate changes: it rises linearly from `warm_up_learning_rate` during `warm_up_epochs`, and is
    multiplied by `decay` after each of `decay_epochs`.
    """

    warm_up_epochs: int
    warm_up_learning_rate: float
    decay_epochs: list[int]
    decay: float


class ImageNetRecipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The recipe for ImageNet.

    `network`: of gluon's model zoo. `epochs`: passes over the training images. `batch`: images per rank and step.
    `examples`: training images. `classes`: of the network's output. `size`: pixels of an image's side.
    `published_top1`: the announcement's accuracy on the validation images, between 0 and 1. `allowed_drop`: how far
    below that a training may end.
    """

    network: str
    epochs: int
    batch: int
    examples: int
    classes: int
    size: int
    published_top1: float
    allowed_drop: float


class TrainableNetwork(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a training step of a network costs.

    `gflop_per_image`: 10^9 floating-point operations for one image. `million_parameters`: 10^6 FP32 parameters.
    `million_outputs_per_image`: 10^6 FP32 values that the backward pass of one image needs.
    """

    gflop_per_image: float
    million_parameters: float
    million_outputs_per_image: float


class Jobs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of the file.

    `timeouts`: when a job is given up. `variables`: environment variables for `horovod` on every MPI, and for each kind
    of MPI (`intel`, `open`). `optimizer`: the parameters of SGD for one rank. `schedule`: of the learning rate.
    `networks`: those that can be trained, by their name in gluon's model zoo. `tiers`: what each tier trains.
    `efforts`: how hard each tier measures. `link`: between emulated hosts. `allreduce`: how its cost is measured.
    `digits`: the convergence check. `recipe`: the recipe for ImageNet.
    """

    timeouts: Timeouts
    variables: dict[str, dict[str, str]]
    optimizer: dict[str, float]
    schedule: LearningRateSchedule
    networks: dict[str, TrainableNetwork]
    tiers: dict[str, TierCases]
    efforts: dict[str, JobEffort]
    link: Link
    allreduce: AllreduceTiming
    digits: DigitsTraining
    recipe: ImageNetRecipe


@cache
def load() -> Jobs:
    """Return the contents of `jobs.toml`, which is read once."""
    return read_toml(DATA, Jobs)
