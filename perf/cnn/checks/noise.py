"""How much noise the steps of a quantised layer cause, in its own output on its own inputs. Pure.

Rounding to steps of size s is an error that is uniform over a step and independent of the value: its mean square is
s^2/12 (Widrow and Kollar, Quantization Noise, 2008, sections 1 and 5). A sum of independent errors has the sum of their
mean squares. The steps are those of perf/cnn/operators/int8.py, so that a layer's expected noise has the energy of

- output: s^2/12 for each value, s being a 255th of the threshold where it is unsigned and a 127th where it is signed;
  none where the output stays in FP32;
- weights: each product with a rounded weight adds x^2 s^2/12, x being the data, and s a 127th of the largest weight of
  the output channel, batch norm folded in (of a fully-connected layer: of all weights);
- bias: s^2/12 for each value, s being the product of the data's and the weight's steps. A fully-connected layer's bias
  is first rounded to a 127th of its largest, and then cut to such a step, which costs s^2/3;
- range: what of the exact output lies beyond the calibrated range is cut off, which is known and no estimate.

A relu behind the sum can only make noise smaller. Data have no noise: the exact layer is given the same, rounded ones.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from perf.cnn.checks.symbol import Layer, Range
from perf.cnn.operators.int8 import SLACK

Array = NDArray[np.floating]
# The mean square of an error that is uniform over a step, half to either side, or all to one (a cut).
ROUNDED, CUT = 1 / 12, 1 / 3


def noise_of(
    layer: Layer,
    ranges: Sequence[Range | None],
    own: Range | None,
    data: Sequence[Array],
    parameters: Mapping[str, Array],
    exact: Array,
) -> float | None:
    """The expected energy of the noise of a quantised layer, summed over its output: `ranges` are those of its `data`,
    `own` is its output's, `exact` what it computes of the same data in FP32. None where no formula is known.
    """
    match layer.kind:
        case "convolution" if ranges[0] and own:
            return _convolution(layer, ranges[0], data[0], parameters, exact) + rounding(exact, own)
        case "fully_connected" if ranges[0]:
            after = rounding(exact, own) if own else 0.0
            return _fully_connected(layer, ranges[0], data[0], parameters, exact) + after
        case "pooling" if own and layer.attributes.get("pool_type", "max") == "avg":
            return rounding(exact, own)
        case "pooling" | "act" | "flatten" if own:
            return exact.size * (SLACK * own.step) ** 2
        case "concat" | "quantize_v2" if own:
            return rounding(exact, own)
        case _:
            return None


def rounding(exact: Array, own: Range) -> float:
    """The energy of rounding values to the steps of a range, and of cutting off what lies beyond it."""
    values = exact.astype(np.float64)
    # A signed range has one more step below zero.
    low = -own.largest - own.step if own.signed else 0.0
    beyond = values - np.clip(values, low, own.largest)
    return exact.size * own.step**2 * ROUNDED + float(np.square(beyond).sum())


def folded(layer: Layer, parameters: Mapping[str, Array]) -> Array:
    """A convolution's weight with its batch norm folded in, (filters, channels of a group, height, width)."""
    weight, *rest = (parameters[name].astype(np.float64) for name in layer.parameters)
    if not layer.normalised:
        return weight
    norm = layer.inside["BatchNorm"]
    gamma, _, _, variance = rest[-4:]
    scale = (1.0 if norm.get("fix_gamma", "True") == "True" else gamma) / np.sqrt(
        variance + float(norm.get("eps", 1e-3))
    )
    return weight * np.reshape(scale, (-1, 1, 1, 1))


def _convolution(layer: Layer, range_: Range, data: Array, parameters: Mapping[str, Array], exact: Array) -> float:
    weight = folded(layer, parameters)
    steps = np.abs(weight).max(axis=(1, 2, 3)) / 127
    energies = np.repeat(window_energies(layer, data, exact.shape[2:]), len(weight) // layer.number("num_group", 1))
    products = float((steps**2 * energies).sum()) * ROUNDED
    biased = layer.biased or layer.normalised
    bias = float(((range_.step * steps) ** 2).sum()) * exact.size / len(weight) * ROUNDED if biased else 0.0
    return products + bias


def window_energies(layer: Layer, data: Array, size: Sequence[int]) -> Array:
    """The squares of a convolution's data under its kernel, summed over all images, all places of the output, `size`
    (height, width), and the channels of each group: (groups,).
    """
    groups = layer.number("num_group", 1)
    kernel, stride, pad, dilate = (layer.pair(name, 0) for name in ("kernel", "stride", "pad", "dilate"))
    stride, dilate = (pair if any(pair) else (1, 1) for pair in (stride, dilate))
    images, channels, *_ = data.shape
    energy = np.square(data, dtype=np.float64).reshape(images, groups, channels // groups, *data.shape[2:])
    padded = np.pad(energy.sum(axis=(0, 2)), [(0, 0), *((side, side) for side in pad)])
    total = np.zeros(groups)
    for row in range(kernel[0]):
        for column in range(kernel[1]):
            places = (
                slice(at * dilate[axis], at * dilate[axis] + stride[axis] * (size[axis] - 1) + 1, stride[axis])
                for axis, at in enumerate((row, column))
            )
            total += padded[(slice(None), *places)].sum(axis=(1, 2))
    return total


def _fully_connected(layer: Layer, range_: Range, data: Array, parameters: Mapping[str, Array], exact: Array) -> float:
    weight, *bias = (parameters[name].astype(np.float64) for name in layer.parameters)
    step = float(np.abs(weight).max()) / 127
    outputs = math.prod(weight.shape[:1])
    products = outputs * step**2 * float(np.square(data, dtype=np.float64).sum()) * ROUNDED
    if not bias:
        return products
    own = float(np.abs(bias[0]).max()) / 127
    return products + exact.size * (own**2 * ROUNDED + (range_.step * step) ** 2 * CUT)
