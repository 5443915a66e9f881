"""The noise that quantisation steps should cause in a layer's output, on the layer's own inputs. Pure.

Rounding to steps of size s causes an error that is uniform over a step and independent of the value. Its mean square is
s^2/12 (Widrow and Kollar, Quantization Noise, 2008, sections 1 and 5). The mean square of a sum of independent errors
is the sum of their mean squares. The steps are those of perf/cnn/operators/int8.py. The expected energy of a layer's
noise is the sum of these parts, in the square of the output's unit:

- output: s^2/12 for each value. s is threshold/255 for unsigned and threshold/127 for signed outputs. Outputs that stay
  in FP32 add nothing.
- weights: x^2 s^2/12 for each product of data x and a rounded weight. s is max|weight|/127 over the output channel with
  batch norm folded in (max|weight|/63.5 where the arithmetic halves weights), or over all weights of a fully-connected
  layer.
- bias: s^2/12 for each value. s is the product of the data's and the weight's steps. A fully-connected layer's bias is
  first rounded to steps of max|bias|/127, and then truncated to steps of s, which adds s^2/3.
- range: the square of what is clipped, because it is outside the calibrated range. It is computed, not estimated.

A relu after the sum can only reduce noise. The data add none, because the FP32 layer gets the same rounded data.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from perf.cnn.checks.symbol import CalibratedRange, Layer
from perf.cnn.operators.arithmetic import EXACT, Arithmetic
from perf.cnn.operators.int8 import SLACK, weight_steps

Array = NDArray[np.floating]
# Mean squares of errors that are uniform over a step of 1: from -1/2 to 1/2 for rounding, from 0 to 1 for truncation.
ROUNDED, TRUNCATED = 1 / 12, 1 / 3


def expected_noise(
    layer: Layer,
    ranges: Sequence[CalibratedRange | None],
    own: CalibratedRange | None,
    data: Sequence[Array],
    parameters: Mapping[str, Array],
    exact: Array,
    arithmetic: Arithmetic = EXACT,
) -> float | None:
    """Return the expected energy of a quantised layer's noise, summed over its output; None if no formula is known.

    `ranges` are those of its `data`, `own` is that of its output. `exact` is its output for the same data in FP32.
    `arithmetic` is that of the CPU.
    """
    match layer.kind:
        case "convolution" if ranges[0] and own:
            steps = weight_steps(arithmetic, signed=ranges[0].signed)
            return _convolution(layer, ranges[0], data[0], parameters, exact, steps) + rounding_noise(exact, own)
        case "fully_connected" if ranges[0]:
            after = rounding_noise(exact, own) if own else 0.0
            return _fully_connected(layer, ranges[0], data[0], parameters, exact) + after
        case "pooling" if own and layer.attributes.get("pool_type", "max") == "avg":
            return rounding_noise(exact, own)
        case "pooling" | "act" | "flatten" if own:
            return exact.size * (SLACK * own.step) ** 2
        case "concat" | "quantize_v2" if own:
            return rounding_noise(exact, own)
        case _:
            return None


def rounding_noise(exact: Array, own: CalibratedRange) -> float:
    """Return the energy of rounding values to the steps of a range, and of clipping what is outside it."""
    values = exact.astype(np.float64)
    # A signed range has one more step below zero than above.
    low = -own.largest - own.step if own.signed else 0.0
    clipped = values - np.clip(values, low, own.largest)
    return exact.size * own.step**2 * ROUNDED + float(np.square(clipped).sum())


def folded_weight(layer: Layer, parameters: Mapping[str, Array]) -> Array:
    """Return a convolution's weight with its batch norm folded in, (filters, channels of a group, height, width)."""
    weight, *rest = (parameters[name].astype(np.float64) for name in layer.parameters)
    if not layer.normalised:
        return weight
    norm = layer.inside["BatchNorm"]
    gamma, _, _, variance = rest[-4:]
    scale = (1.0 if norm.get("fix_gamma", "True") == "True" else gamma) / np.sqrt(
        variance + float(norm.get("eps", 1e-3))
    )
    return weight * np.reshape(scale, (-1, 1, 1, 1))


def _convolution(
    layer: Layer,
    range_: CalibratedRange,
    data: Array,
    parameters: Mapping[str, Array],
    exact: Array,
    steps_to_threshold: float,
) -> float:
    """Return the energy that rounded weights and biases cause."""
    weight = folded_weight(layer, parameters)
    steps = np.abs(weight).max(axis=(1, 2, 3)) / steps_to_threshold
    energies = np.repeat(window_energies(layer, data, exact.shape[2:]), len(weight) // layer.number("num_group", 1))
    products = float((steps**2 * energies).sum()) * ROUNDED
    biased = layer.biased or layer.normalised
    bias = float(((range_.step * steps) ** 2).sum()) * exact.size / len(weight) * ROUNDED if biased else 0.0
    return products + bias


def window_energies(layer: Layer, data: Array, size: Sequence[int]) -> Array:
    """Return the squares of a convolution's data under its kernel, summed.

    Sums are over images, positions and the channels of a group. `size` is the output's (height, width). The result has
    shape (groups,).
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
            positions = (
                slice(at * dilate[axis], at * dilate[axis] + stride[axis] * (size[axis] - 1) + 1, stride[axis])
                for axis, at in enumerate((row, column))
            )
            total += padded[(slice(None), *positions)].sum(axis=(1, 2))
    return total


def _fully_connected(
    layer: Layer, range_: CalibratedRange, data: Array, parameters: Mapping[str, Array], exact: Array
) -> float:
    """Return the energy that rounded weights and biases cause."""
    weight, *bias = (parameters[name].astype(np.float64) for name in layer.parameters)
    step = float(np.abs(weight).max()) / 127
    outputs = math.prod(weight.shape[:1])
    products = outputs * step**2 * float(np.square(data, dtype=np.float64).sum()) * ROUNDED
    if not bias:
        return products
    bias_step = float(np.abs(bias[0]).max()) / 127
    return products + exact.size * (bias_step**2 * ROUNDED + (range_.step * step) ** 2 * TRUNCATED)
