"""The examples that take several operators."""

from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray

from perf.cnn.operators.base import OperatorCase, OperatorNode, operator_node

CONVOLUTION = {"num_filter": 1, "kernel": (1, 1), "no_bias": True}
RELU = {"act_type": "relu"}


class SmallNetwork(OperatorCase, frozen=True):
    """A network of 1x1 convolutions of one channel, all with one weight. `batch`: images of a pass."""

    batch: int = 1

    @property
    def data_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"data0": (self.batch, 1, 4, 4)}

    @property
    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"weight": (1, 1, 1, 1)}

    def output(self) -> NDArray[np.float64]:
        """Return what the operators must compute of the case's own data."""
        return self.output_of(self.data()["data0"].astype(np.float64), float(self.parameters()["weight"].item()))

    @abstractmethod
    def output_of(self, data: NDArray[np.float64], weight: float) -> NDArray[np.float64]:
        """Return what the operators must compute of data of shape (batch, 1, height, width)."""


class Joined(SmallNetwork, frozen=True, tag="concat", kw_only=True):
    """A concat along the channels of convolutions of one image. `signs`: whether each convolution keeps its signs; if
    not, a ReLU follows.
    """

    signs: tuple[bool, ...]

    @property
    def nodes(self) -> list[OperatorNode]:
        branches = []
        for place, signed in enumerate(self.signs):
            name, relu = f"convolution{place}", f"relu{place}"
            branches.append([operator_node("Convolution", name, CONVOLUTION, ["data0", "weight"])])
            branches[-1] += [] if signed else [operator_node("Activation", relu, RELU, [name])]
        ends = [branch[-1]["name"] for branch in branches]
        concat = operator_node("Concat", "concat", {"dim": 1, "num_args": len(ends)}, ends)
        return [
            *(node for branch in branches for node in branch),
            concat,
            operator_node("identity", "copy", {}, ["concat"]),
        ]

    def output_of(self, data: NDArray[np.float64], weight: float) -> NDArray[np.float64]:
        products = data * weight
        return np.concatenate([products if signed else np.maximum(products, 0) for signed in self.signs], axis=1)


class Reused(SmallNetwork, frozen=True, tag="reused"):
    """The sum of a convolution's output and of what a ReLU and another convolution make of it."""

    @property
    def nodes(self) -> list[OperatorNode]:
        return [
            operator_node("Convolution", "first", CONVOLUTION, ["data0", "weight"]),
            operator_node("Activation", "relu", RELU, ["first"]),
            operator_node("Convolution", "second", CONVOLUTION, ["relu", "weight"]),
            operator_node("elemwise_add", "sum", {}, ["second", "first"]),
        ]

    def output_of(self, data: NDArray[np.float64], weight: float) -> NDArray[np.float64]:
        return weight * np.maximum(weight * data, 0) + weight * data
