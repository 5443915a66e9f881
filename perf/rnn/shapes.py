"""What is known about the recurrent networks, from `shapes.toml`."""

from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from perf.files import read_toml
from perf.measure.plan import VariantData

DATA = Path(__file__).with_name("shapes.toml")
REFERENCE = "native-fp32"
# Batch, steps, input size, hidden size: [N, T, C, H].
Shape = tuple[int, int, int, int]


class Cell(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    mode: str
    directions: int = 1


class RnnTier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    cells: list[str]
    shapes: list[Shape]
    layers: list[int]


class RandomChecks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much of the answers is checked: the cases of which tier, and how many random networks of each mode."""

    cases: str
    random: int


class Largest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The largest sizes of random networks; the smallest are 1."""

    inputs: int
    hidden: int
    layers: int
    batch: int
    steps: int


class ShapeCatalogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of `shapes.toml`."""

    mkldnn_modes: list[str]
    margin: float
    cells: dict[str, Cell]
    tiers: dict[str, RnnTier]
    answers: dict[str, RandomChecks]
    largest: Largest
    variants: dict[str, VariantData]
    counterexamples: list[dict[str, Any]]


@cache
def catalogue() -> ShapeCatalogue:
    """The catalogue, read once."""
    return read_toml(DATA, ShapeCatalogue)
