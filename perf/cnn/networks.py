"""The networks and their variants, as `networks.toml` lists them."""

from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from perf.cnn.artifacts.images import images_of_shape
from perf.cnn.checks.drift import DriftMargins
from perf.files import read_toml
from perf.measure.plan import Plan, Program, VariantData

DATA = Path(__file__).with_name("networks.toml")
# The name of every network's input.
INPUT = "data"
REFERENCE = "native-fp32"
INT8 = "mkl-int8"
# The images on which outputs are compared. The seed differs from calibration's, so that no image is used for both.
IMAGES = 32
SEED = 20190714


class CnnTier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The CNN cases of a tier."""

    networks: Annotated[list[str], Meta(description="networks, by GluonCV's names")]
    batches: Annotated[list[int], Meta(description="batch sizes: images of a pass")]


class AnswerSelection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The networks whose answers are checked."""

    naive: Annotated[list[str], Meta(description="networks checked with naive calibration")]
    entropy: Annotated[list[str], Meta(description="networks checked with entropy calibration")]


class NetworkVariant(VariantData, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A variant that loads one of a network's artifacts.

    `artifact`: which one. `subgraph`: the backend that fuses operators, None for none.
    """

    artifact: Literal["fp32", "int8"]
    subgraph: str | None = None


class ImageSize(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Height and width (`size`, in pixels) of the images of networks whose names match a `pattern`."""

    pattern: str
    size: int


class NetworkCatalogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of `networks.toml`, whose comments give reasons for the values.

    activations_per_input: the memory of a pass's activations, as a multiple of its input.
    tiers: the cases of each tier.
    answers: the networks whose answers are checked, by tier; `whole` is for `-m accuracy` in the quick tier.
    variants: the variants, by name.
    image_sizes: the image sizes by pattern of the network's name; the first match counts.
    tried_sizes: the image sizes (pixels) that are tried when no pattern matches; the first that fits counts.
    exclusions: the operators whose nodes stay in FP32, by network; `default` is for networks that are not listed.
    agreement: the largest difference allowed between FP32 outputs and the reference's, relative to the largest output,
        by variant.
    drift_margins: how much worse than the stored answers INT8 may be.
    multiply_adds: 10^9 multiply-adds of one image, by network.
    """

    activations_per_input: float
    tiers: dict[str, CnnTier]
    answers: dict[str, AnswerSelection]
    variants: dict[str, NetworkVariant]
    image_sizes: list[ImageSize]
    tried_sizes: list[int]
    exclusions: dict[str, list[str]]
    agreement: dict[str, float]
    drift_margins: DriftMargins
    multiply_adds: dict[str, float]

    def image_size(self, network: str) -> int | None:
        """Return height and width of a network's images in pixels, by the first matching pattern; None without one."""
        return next((entry.size for entry in self.image_sizes if fnmatch(network, entry.pattern)), None)

    def exclusions_of(self, network: str) -> list[str]:
        """Return the operators whose nodes stay in FP32 in the quantised network."""
        return self.exclusions.get(network, self.exclusions["default"])

    def gmacs(self, network: str) -> float:
        """Return 10^9 multiply-adds for one image; a typical value if the network is not listed."""
        return self.multiply_adds.get(network, 2.0)


@cache
def catalogue() -> NetworkCatalogue:
    """Return the content of `networks.toml`, read once."""
    return read_toml(DATA, NetworkCatalogue)


def images_of(plan: Plan[Program]) -> NDArray[np.float32]:
    """Return the images on which the outputs of a plan's network are compared: IMAGES of the shape of its input."""
    _, *shape = plan.workloads[0].inputs[INPUT]
    images: NDArray[np.float32] = images_of_shape(np.random.RandomState(SEED), IMAGES, shape)
    return images
