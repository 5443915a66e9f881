"""The examples that take several operators."""

from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray

from perf.cnn.operators.base import OperatorCase, OperatorNode, operator_node

RELU = {"act_type": "relu"}
SIDE = 4


class SmallNetwork(OperatorCase, frozen=True):
    """A network of 1x1 convolutions of `channels` channels, all with one weight. `batch`: images of a pass."""

    batch: int = 1
    channels: int = 1

    @property
    def data_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"data0": (self.batch, self.channels, SIDE, SIDE)}

    @property
    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"weight": (self.channels, self.channels, 1, 1)}

    def convolution(self, name: str, source: str) -> OperatorNode:
        """Return a convolution of the output of a node."""
        attributes = {"num_filter": self.channels, "kernel": (1, 1), "no_bias": True}
        return operator_node("Convolution", name, attributes, [source, "weight"])

    def convolved(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what a convolution must compute of values of shape (batch, channels, height, width)."""
        weight = self.parameters()["weight"].astype(np.float64)
        convolved: NDArray[np.float64] = np.einsum("fc,nchw->nfhw", weight[:, :, 0, 0], values)
        return convolved

    def output(self) -> NDArray[np.float64]:
        """Return what the operators must compute of the case's own data."""
        return self.output_of(self.data()["data0"].astype(np.float64))

    @abstractmethod
    def output_of(self, data: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what the operators must compute of data of shape (batch, channels, height, width)."""


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
            branches.append([self.convolution(name, "data0")])
            branches[-1] += [] if signed else [operator_node("Activation", relu, RELU, [name])]
        ends = [branch[-1]["name"] for branch in branches]
        concat = operator_node("Concat", "concat", {"dim": 1, "num_args": len(ends)}, ends)
        return [
            *(node for branch in branches for node in branch),
            concat,
            operator_node("identity", "copy", {}, ["concat"]),
        ]

    def output_of(self, data: NDArray[np.float64]) -> NDArray[np.float64]:
        products = self.convolved(data)
        return np.concatenate([products if signed else np.maximum(products, 0) for signed in self.signs], axis=1)


class Reused(SmallNetwork, frozen=True, tag="reused"):
    """The sum of a convolution's output and of what a ReLU and another convolution make of it."""

    @property
    def nodes(self) -> list[OperatorNode]:
        return [
            self.convolution("first", "data0"),
            operator_node("Activation", "relu", RELU, ["first"]),
            self.convolution("second", "relu"),
            operator_node("elemwise_add", "sum", {}, ["second", "first"]),
        ]

    def output_of(self, data: NDArray[np.float64]) -> NDArray[np.float64]:
        first = self.convolved(data)
        return self.convolved(np.maximum(first, 0)) + first


class Expanded(SmallNetwork, frozen=True, tag="expanded"):
    """A convolution's output with one more axis, of size one, and then without it."""

    @property
    def nodes(self) -> list[OperatorNode]:
        shape = self.data_shapes["data0"]
        return [
            self.convolution("convolution", "data0"),
            operator_node("expand_dims", "expanded", {"axis": 1}, ["convolution"]),
            operator_node("Reshape", "reshaped", {"shape": shape}, ["expanded"]),
        ]

    def output_of(self, data: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.convolved(data)
