"""The kinds of single operators."""

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from perf.cnn.operators.base import OperatorCase, OperatorNode, Pair, activation, node, spread


class Convolution(OperatorCase, frozen=True, tag="convolution", kw_only=True):
    """A convolution, its relu behind it."""

    channels: int
    size: Pair
    filters: int
    kernel: Pair
    stride: Pair = (1, 1)
    pad: Pair = (0, 0)
    dilate: Pair = (1, 1)
    groups: int = 1
    bias: bool = True
    relu: bool = False

    @property
    def data_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"data0": (self.batch, self.channels, *self.size)}

    @property
    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        weight = (self.filters, self.channels // self.groups, *self.kernel)
        return {"weight": weight, **({"bias": (self.filters,)} if self.bias else {})}

    @property
    def output_size(self) -> Pair:
        """Height and width of the output; not positive where the kernel does not fit."""
        height, width = (
            (size + 2 * pad - dilate * (kernel - 1) - 1) // stride + 1
            for size, pad, dilate, kernel, stride in zip(
                self.size, self.pad, self.dilate, self.kernel, self.stride, strict=True
            )
        )
        return height, width

    @property
    def nodes(self) -> list[OperatorNode]:
        attributes = {
            "num_filter": self.filters,
            "kernel": self.kernel,
            "stride": self.stride,
            "pad": self.pad,
            "dilate": self.dilate,
            "num_group": self.groups,
            "no_bias": not self.bias,
        }
        inputs = ["data0", *self.parameter_shapes]
        return [node("Convolution", "convolution", attributes, inputs), *activation("convolution", self.relu)]


class Residual(Convolution, frozen=True, tag="residual", kw_only=True):
    """A convolution and an addend of its output's shape, summed; the relu is behind the sum."""

    addend_scale: float = 1.0
    addend_signed: bool = True

    @property
    def data_shapes(self) -> dict[str, tuple[int, ...]]:
        return {**super().data_shapes, "data1": (self.batch, self.filters, *self.output_size)}

    @property
    def nodes(self) -> list[OperatorNode]:
        convolution = super().nodes[0]
        total = node("elemwise_add", "sum", {}, ["convolution", "data1"])
        return [convolution, total, *activation("sum", self.relu)]

    def drawn(self, draw: np.random.Generator, shape: tuple[int, ...], name: str) -> NDArray[np.float32]:
        if name == "data1":
            return spread(draw, shape, self.addend_scale, signed=self.addend_signed)
        return super().drawn(draw, shape, name)


class FullyConnected(OperatorCase, frozen=True, tag="fully_connected", kw_only=True):
    """A fully-connected layer over data of shape (batch, *inputs), flattened; its relu behind it."""

    inputs: tuple[int, ...]
    outputs: int
    bias: bool = True
    relu: bool = False

    @property
    def data_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"data0": (self.batch, *self.inputs)}

    @property
    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        weight = (self.outputs, math.prod(self.inputs))
        return {"weight": weight, **({"bias": (self.outputs,)} if self.bias else {})}

    @property
    def nodes(self) -> list[OperatorNode]:
        attributes = {"num_hidden": self.outputs, "no_bias": not self.bias}
        layer = node("FullyConnected", "layer", attributes, ["data0", *self.parameter_shapes])
        return [layer, *activation("layer", self.relu)]


class Pooling(OperatorCase, frozen=True, tag="pooling", kw_only=True):
    """A pooling: of windows, or of the whole image (`whole`), where kernel, stride and pad mean nothing. `full` rounds
    the output's size up instead of down. The pooling is the network's `last` operator, or an identity follows.
    """

    channels: int
    size: Pair
    pool: Literal["max", "avg"]
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    pad: Pair = (0, 0)
    full: bool = False
    whole: bool = False
    count_pad: bool = True
    last: bool = False

    @property
    def data_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"data0": (self.batch, self.channels, *self.size)}

    @property
    def nodes(self) -> list[OperatorNode]:
        attributes = {
            "kernel": self.kernel,
            "stride": self.stride,
            "pad": self.pad,
            "pool_type": self.pool,
            "global_pool": self.whole,
            "pooling_convention": "full" if self.full else "valid",
            "count_include_pad": self.count_pad,
        }
        pooling = node("Pooling", "pooling", attributes, ["data0"])
        return [pooling] if self.last else [pooling, node("identity", "copy", {}, ["pooling"])]


class Concat(OperatorCase, frozen=True, tag="concat", kw_only=True):
    """Inputs joined along their channels. Each has so many `channels`, the case's scale times one of `scales`, and a
    sign of its own.
    """

    size: Pair
    channels: tuple[int, ...]
    scales: tuple[float, ...]
    signs: tuple[bool, ...]

    @property
    def data_shapes(self) -> dict[str, tuple[int, ...]]:
        return {f"data{place}": (self.batch, count, *self.size) for place, count in enumerate(self.channels)}

    @property
    def nodes(self) -> list[OperatorNode]:
        return [node("Concat", "concat", {"dim": 1, "num_args": len(self.channels)}, list(self.data_shapes))]

    def drawn(self, draw: np.random.Generator, shape: tuple[int, ...], name: str) -> NDArray[np.float32]:
        place = int(name.removeprefix("data"))
        return spread(draw, shape, self.scale * self.scales[place], signed=self.signs[place])


AnyCase = Convolution | Residual | FullyConnected | Pooling | Concat
