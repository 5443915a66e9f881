"""The recurrent networks that `shapes.toml` lists, and MXNet's fused operator for a network."""

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from perf.errors import PerfError
from perf.files import read_toml
from perf.measure.plan import Operator, VariantData
from perf.rnn.reference import Sizes

DATA = Path(__file__).with_name("shapes.toml")
REFERENCE = "native-fp32"
# Batch, steps, input size, hidden size: [N, T, C, H].
Shape = tuple[int, int, int, int]


class Cell(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A recurrent cell: MXNet's name of its `mode`, and `directions`, 2 for networks that read sequences both ways."""

    mode: str
    directions: int = 1


class RnnTier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The recurrent cases of a tier."""

    cells: Annotated[list[str], Meta(description="recurrent cells")]
    shapes: Annotated[list[Shape], Meta(description="batch size, steps, input size and hidden size")]
    layers: Annotated[list[int], Meta(description="numbers of layers")]


class AnswerChecks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much of the answers is checked."""

    cases: Annotated[str, Meta(description="tier whose recurrent cases are checked")]
    random: Annotated[int, Meta(description="random recurrent networks of each mode")]


class LargestSizes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The largest sizes of random networks; the smallest are 1.

    inputs: the width of the input.
    hidden: the width of the hidden state.
    layers: how many layers there are.
    batch: the batch size.
    steps: the length of the sequences.
    """

    inputs: int
    hidden: int
    layers: int
    batch: int
    steps: int


class ShapeCatalogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of `shapes.toml`, whose comments give reasons for the values.

    margin: how far a build may be from the equations in double precision, as a multiple of the distance of the same
        equations in FP32.
    cells: the recurrent cells, by name.
    tiers: the cases of each tier.
    answers: how much of the answers is checked, by tier; `whole` is for `-m accuracy` in the quick tier.
    largest: the largest sizes of random networks.
    variants: the variants, by name.
    counterexamples: networks that once were wrong, as arguments of `Example`; they run before random ones.
    """

    margin: float
    cells: dict[str, Cell]
    tiers: dict[str, RnnTier]
    answers: dict[str, AnswerChecks]
    largest: LargestSizes
    variants: dict[str, VariantData]
    counterexamples: list[dict[str, Any]]


@cache
def catalogue() -> ShapeCatalogue:
    """Return the content of `shapes.toml`, read once."""
    return read_toml(DATA, ShapeCatalogue)


def check_cells(cells: Sequence[str], *, label: Callable[[str], str] = str) -> None:
    """Raise PerfError for a recurrent cell that does not exist. `label` returns how a message names a cell."""
    known = list(catalogue().cells)
    for name in cells:
        if name not in known:
            step = f"choose {' or '.join(get_close_matches(name, known) or known)}"
            raise PerfError("there is no such recurrent cell", subject=label(name), next_step=step)


def operator_of(sizes: Sizes) -> Operator:
    """Return MXNet's fused operator for a network."""
    attributes: dict[str, str | int | float | bool] = {
        "mode": sizes.mode,
        "state_size": sizes.hidden,
        "num_layers": sizes.layers,
        "bidirectional": sizes.directions == 2,  # noqa: PLR2004 - both ways
        "state_outputs": True,
    }
    return Operator("RNN", attributes, ("data", "parameters", *sizes.states))


def sizes_of(operator: Operator, inputs: int) -> Sizes:
    """Return the sizes of a network from its operator and the width of its input."""
    attributes = operator.attributes
    return Sizes(
        str(attributes["mode"]),
        inputs,
        int(attributes["state_size"]),
        int(attributes["num_layers"]),
        2 if attributes["bidirectional"] else 1,
    )
