"""The kinds of single operators."""

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from perf.cnn.operators.base import OperatorCase, OperatorNode, Pair, activation, normal_values, operator_node


class Convolution(OperatorCase, frozen=True, tag="convolution", kw_only=True):
    """A convolution, followed by a relu if `relu` is set.

    `channels`: of the image. `size`: height and width of the image. `filters`, `kernel`, `stride`, `pad`, `dilate`,
    `groups` and `bias`: as in MXNet's Convolution.
    """

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
        """Height and width of the output; not positive if the kernel does not fit."""
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
        return [operator_node("Convolution", "convolution", attributes, inputs), *activation("convolution", self.relu)]


class Residual(Convolution, frozen=True, tag="residual", kw_only=True):
    """A convolution plus an addend of its output's shape; the relu, if any, follows the sum.

    `addend_scale` and `addend_signed`: as `scale` and `signed`, of the addend.
    """

    addend_scale: float = 1.0
    addend_signed: bool = True

    @property
    def data_shapes(self) -> dict[str, tuple[int, ...]]:
        return {**super().data_shapes, "data1": (self.batch, self.filters, *self.output_size)}

    @property
    def nodes(self) -> list[OperatorNode]:
        convolution = super().nodes[0]
        total = operator_node("elemwise_add", "sum", {}, ["convolution", "data1"])
        return [convolution, total, *activation("sum", self.relu)]

    def draw_array(self, draw: np.random.Generator, shape: tuple[int, ...], name: str) -> NDArray[np.float32]:
        if name == "data1":
            return normal_values(draw, shape, self.addend_scale, signed=self.addend_signed)
        return super().draw_array(draw, shape, name)


class FullyConnected(OperatorCase, frozen=True, tag="fully_connected", kw_only=True):
    """A fully-connected layer over flattened data of shape (batch, *inputs), followed by a relu if `relu` is set.

    `inputs`: the shape of its data without the batch. `outputs`: how many it has. `bias`: whether it has a bias.
    """

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
        layer = operator_node("FullyConnected", "layer", attributes, ["data0", *self.parameter_shapes])
        return [layer, *activation("layer", self.relu)]


class Pooling(OperatorCase, frozen=True, tag="pooling", kw_only=True):
    """A pooling of windows.

    `channels`: of the image. `size`: height and width of the image. `pool`: maximum or average. `kernel`, `stride` and
    `pad`: of the windows. `full`: whether the output's size is rounded up instead of down. `whole`: whether the window
    is the whole image, whatever `kernel`, `stride` and `pad`. `count_pad`: whether averages include the padding.
    `last`: whether it is the network's last operator; otherwise an identity follows.
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
        pooling = operator_node("Pooling", "pooling", attributes, ["data0"])
        return [pooling] if self.last else [pooling, operator_node("identity", "copy", {}, ["pooling"])]


class Concat(OperatorCase, frozen=True, tag="concat", kw_only=True):
    """Inputs joined along their channels.

    `size`: height and width of all inputs. `channels`: of each input. `scales`: factors of each input's `scale`.
    `signs`: whether each input has signs, in place of `signed`.
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
        return [operator_node("Concat", "concat", {"dim": 1, "num_args": len(self.channels)}, list(self.data_shapes))]

    def draw_array(self, draw: np.random.Generator, shape: tuple[int, ...], name: str) -> NDArray[np.float32]:
        place = int(name.removeprefix("data"))
        return normal_values(draw, shape, self.scale * self.scales[place], signed=self.signs[place])


AnyCase = Convolution | Residual | FullyConnected | Pooling | Concat
