"""What is known about the networks, from `networks.toml`."""

from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from perf.cnn.artifacts.images import images
from perf.cnn.checks.drift import Margins
from perf.files import read_toml
from perf.measure.plan import Plan, Program, VariantData

DATA = Path(__file__).with_name("networks.toml")
INPUT = "data"
REFERENCE = "native-fp32"
INT8 = "mkl-int8"
# The images that answers are compared on: other ones than a network was calibrated with.
IMAGES = 32
SEED = 20190714


class CnnTier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    networks: list[str]
    batches: list[int]


class AnswerSelection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Networks whose answers are checked, by the mode of calibration."""

    naive: list[str]
    entropy: list[str]


class NetworkVariant(VariantData, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A variant that loads one of a network's artifacts."""

    artifact: Literal["fp32", "int8"]
    subgraph: str | None = None


class ImageSize(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pattern: str
    size: int


class NetworkCatalogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of `networks.toml`."""

    activations_per_input: float
    tiers: dict[str, CnnTier]
    answers: dict[str, AnswerSelection]
    variants: dict[str, NetworkVariant]
    image_sizes: list[ImageSize]
    tried_sizes: list[int]
    exclusions: dict[str, list[str]]
    agreement: dict[str, float]
    drift_margins: Margins
    multiply_adds: dict[str, float]

    def image_size(self, network: str) -> int | None:
        """Height and width of the network's input, in pixels: the first pattern that its name matches; None where none
        does.
        """
        return next((entry.size for entry in self.image_sizes if fnmatch(network, entry.pattern)), None)

    def exclusions_of(self, network: str) -> list[str]:
        """The operators whose nodes stay FP32 in the quantised network."""
        return self.exclusions.get(network, self.exclusions["default"])

    def gmacs(self, network: str) -> float:
        """Multiply-adds of one image in 10^9; for a network that is not listed, a middling guess."""
        return self.multiply_adds.get(network, 2.0)


@cache
def catalogue() -> NetworkCatalogue:
    """The catalogue, read once."""
    return read_toml(DATA, NetworkCatalogue)


def images_of(plan: Plan[Program]) -> NDArray[np.float32]:
    """The images that the answers of a plan's network are compared on, (IMAGES, 3, size, size)."""
    *_, size = plan.workloads[0].inputs[INPUT]
    drawn: NDArray[np.float32] = images(np.random.RandomState(SEED), IMAGES, size)
    return drawn
