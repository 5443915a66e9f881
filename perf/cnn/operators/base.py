"""What all kinds of single operators share: the nodes that a worker composes, and their input arrays.

A case has all sizes of an operator and a seed for the values, so it is reproducible. Sizes of kernels, strides, pads
and images are (height, width).
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
    """A case of any kind.

    `batch`: images of a pass. `scale`: the standard deviation of the data. `signed`: whether the data have signs; if
    not, they are absolute values. `seed`: of all values.
    """

    batch: int
    scale: float = 1.0
    signed: bool = True
    seed: int = 0

    @property
    @abstractmethod
    def nodes(self) -> list[OperatorNode]:
        """The operators that a worker composes, in order. Their inputs are named as in `data` and `parameters`."""

    @property
    @abstractmethod
    def data_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the arrays that change with each pass, by name."""

    @property
    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of weight and bias, if any, by name."""
        return {}

    def data(self) -> Arrays:
        """Return normal values for the data, drawn with the seed."""
        draw = np.random.default_rng([self.seed, 0])
        return {name: self.draw_array(draw, shape, name) for name, shape in self.data_shapes.items()}

    def parameters(self) -> Arrays:
        """Return normal values for the parameters, drawn with the seed.

        The standard deviation of a weight is 1/sqrt(fan-in), so that outputs are about as large as data.
        """
        draw = np.random.default_rng([self.seed, 1])
        return {
            name: (
                draw.standard_normal(shape) * (self.scale if name == "bias" else 1 / math.sqrt(math.prod(shape[1:])))
            ).astype(np.float32)
            for name, shape in self.parameter_shapes.items()
        }

    def draw_array(self, draw: np.random.Generator, shape: tuple[int, ...], name: str) -> NDArray[np.float32]:  # noqa: ARG002 - kinds with several inputs distinguish them by name
        """Return random data for the input of that name and shape."""
        return normal_values(draw, shape, self.scale, signed=self.signed)


def operator_node(op: str, name: str, attributes: OperatorNode, inputs: list[str]) -> OperatorNode:
    """Return one operator as the worker's request `compose` takes it."""
    return {"op": op, "name": name, "attributes": attributes, "inputs": inputs}


def activation(source: str, there: bool) -> list[OperatorNode]:
    """Return a relu after the node `source`, or nothing if there is none."""
    return [operator_node("Activation", "relu", {"act_type": "relu"}, [source])] if there else []


def normal_values(
    draw: np.random.Generator, shape: tuple[int, ...], scale: float, *, signed: bool
) -> NDArray[np.float32]:
    """Return normal values of standard deviation `scale`, or their absolute values."""
    values = (draw.standard_normal(shape) * scale).astype(np.float32)
    return values if signed else np.abs(values)
