"""What is the same for all kinds of single operators: what a worker composes of them, and the arrays that go in.

Every case fixes everything but the values, and those by its seed, so that a case is its own reproduction. Sizes of
kernels, strides, pads and images are (height, width).
"""

import math
from abc import ABCMeta, abstractmethod
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

Pair = tuple[int, int]
Arrays = dict[str, NDArray[np.float32]]
OperatorNode = dict[str, Any]


class AbstractStruct(msgspec.StructMeta, ABCMeta):
    """The metaclass of structures with abstract properties."""


class OperatorCase(
    msgspec.Struct,
    metaclass=AbstractStruct,
    frozen=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    repr_omit_defaults=True,
    tag_field="kind",
):
    """Any of them. `scale` is the standard deviation of its data, or of their signed originals where the data are
    absolute values (`signed` false).
    """

    batch: int
    scale: float = 1.0
    signed: bool = True
    seed: int = 0

    @property
    @abstractmethod
    def nodes(self) -> list[OperatorNode]:
        """The operators for a worker to compose, in order; their inputs are the names of `data` and `parameters`."""

    @property
    @abstractmethod
    def data_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the arrays that are given with each pass, by name."""

    @property
    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of weight and bias, by name, as far as there are any."""
        return {}

    def data(self) -> Arrays:
        """Normal values, drawn from the seed."""
        draw = np.random.default_rng([self.seed, 0])
        return {name: self.drawn(draw, shape, name) for name, shape in self.data_shapes.items()}

    def parameters(self) -> Arrays:
        """Normal values that keep outputs about as large as data: a weight's spread shrinks with its fan-in."""
        draw = np.random.default_rng([self.seed, 1])
        return {
            name: (
                draw.standard_normal(shape) * (self.scale if name == "bias" else 1 / math.sqrt(math.prod(shape[1:])))
            ).astype(np.float32)
            for name, shape in self.parameter_shapes.items()
        }

    def drawn(self, draw: np.random.Generator, shape: tuple[int, ...], name: str) -> NDArray[np.float32]:  # noqa: ARG002 - kinds with several inputs tell them apart
        """The array of data of that name and shape."""
        return spread(draw, shape, self.scale, signed=self.signed)


def node(op: str, name: str, attributes: OperatorNode, inputs: list[str]) -> OperatorNode:
    """One operator, in the words of the worker's request `compose`."""
    return {"op": op, "name": name, "attributes": attributes, "inputs": inputs}


def activation(behind: str, there: bool) -> list[OperatorNode]:
    """The relu behind a node, if there is one."""
    return [node("Activation", "relu", {"act_type": "relu"}, [behind])] if there else []


def spread(draw: np.random.Generator, shape: tuple[int, ...], scale: float, *, signed: bool) -> NDArray[np.float32]:
    """Normal values of that standard deviation, or their absolute values."""
    values = (draw.standard_normal(shape) * scale).astype(np.float32)
    return values if signed else np.abs(values)
