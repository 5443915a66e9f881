"""What the INT8 program must compute: the operators over operands that are rounded to their steps. Pure.

Steps are those of MXNet 1.5 with MKL-DNN 0.19, calibrated ("naive") with the very data of the pass, so that nothing is
clipped but by the rounding of a threshold:

- data, addend, and a concat's inputs: a 255th of the threshold when none is negative, else a 127th
  (src/operator/quantization/mkldnn/mkldnn_quantize_v2-inl.h, type "auto"). A concat's inputs all get the widest
  threshold of them (src/operator/subgraph/mkldnn/mkldnn_post_quantize_align_scale_property.h);
- a convolution's weight: a 127th of the largest of each output channel; its bias: the product of both steps, as a
  32-bit integer (src/operator/subgraph/mkldnn/mkldnn_conv.cc, GetWeightScales and ConvertWeightBias2MKLDNN);
- a fully-connected layer's weight and bias: a 127th of the largest of all, offline (python/mxnet/contrib/
  quantization.py, _quantize_params); the bias is then cut to a whole number of the product of data's and weight's
  steps (mkldnn_fc.cc);
- a convolution's output, with addend and relu: a 255th of the threshold behind a relu, else a 127th (mkldnn_conv.cc,
  requantize_scales). A fully-connected layer's output is left in FP32 where nothing follows (enable_float_output of
  mkldnn_fc_post_quantize_property.h);
- an average: of the data's own step (mkldnn_quantized_pooling.cc).

The products are summed exactly, in 32-bit integers: with VNNI, or where their pairs fit into 16 bits.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perf.cnn.operators.base import OperatorCase
from perf.cnn.operators.kinds import Concat, Convolution, FullyConnected, Pooling
from perf.cnn.operators.reference import MORE_ROUNDINGS, Array, Exact, gamma, magnitude, output, unweighed, weighed
from perf.cnn.operators.reference import fp32 as fp32_reference

# The releases whose steps these are; 1.6.0 quantises in other ones.
RELEASES = ("1.5.0", "1.5.1")
# Elsewhere MKL-DNN 0.19 adds up pairs of products in 16 bits, and halves weights or clips.
ISA = "avx512_vnni"
# Rounding to the nearest step, of a quotient that was computed in FP32: up to 255 with four roundings of 2^-24 each.
SLACK = 2.0**-13
HALF = 0.5 + SLACK
# Thresholds are kept in the symbol with six decimals (std::to_string, quantize_graph_pass.cc).
DECIMALS = 6


@dataclass(frozen=True, eq=False)
class Rounded:
    """Values in whole steps, and what each may be off: a step where it is unclear which of two is nearer."""

    values: Array
    unclear: Array


def int8(case: OperatorCase, given: Mapping[str, NDArray[np.float32]]) -> Exact:
    """What the case must compute of its arrays in INT8, and how far the program may be from that: half an output step,
    and what is unclear.
    """
    arrays = {name: array.astype(np.float64) for name, array in given.items()}
    rounded = _operands(case, arrays)
    operands = {name: operand.values for name, operand in rounded.items()}
    values, allowed = output(case, operands), _spread(case, rounded)
    match case:
        case FullyConnected():
            return Exact(values, allowed + gamma(MORE_ROUNDINGS) * magnitude(case, operands))
        case Pooling(pool="avg"):
            return Exact(values, allowed + HALF * _step(*threshold(arrays["data0"])))
        case Convolution():
            return _requantised(case, given, Exact(values, allowed + gamma(MORE_ROUNDINGS) * magnitude(case, operands)))
        case _:
            return Exact(values, allowed + SLACK * _step(*threshold(values)))


def _operands(case: OperatorCase, arrays: Mapping[str, Array]) -> dict[str, Rounded]:
    thresholds = {name: threshold(arrays[name]) for name in case.data_shapes}
    if isinstance(case, Concat):
        widest = min(low for low, _ in thresholds.values()), max(high for _, high in thresholds.values())
        thresholds = dict.fromkeys(thresholds, widest)
    rounded = {
        name: _rounded(arrays[name], _step(*found), unsigned=found[0] >= 0) for name, found in thresholds.items()
    }
    if "weight" not in arrays:
        return rounded
    weight = arrays["weight"]
    own_channels = isinstance(case, Convolution)
    largest = np.abs(weight).max(axis=tuple(range(1, weight.ndim)) if own_channels else None, keepdims=True)
    rounded["weight"] = _rounded(weight, largest / 127)
    if "bias" in arrays:
        product = _step(*thresholds["data0"]) * largest.ravel() / 127
        rounded["bias"] = _bias(case, arrays["bias"], product)
    return rounded


def _bias(case: OperatorCase, bias: Array, product: Array) -> Rounded:
    if isinstance(case, Convolution):
        return Rounded(bias, HALF * product + gamma(MORE_ROUNDINGS) * np.abs(bias))
    largest = np.abs(bias).max()
    quantised = _rounded(bias, largest / 127)
    return Rounded(quantised.values, quantised.unclear + product + gamma(MORE_ROUNDINGS) * np.abs(bias))


def _requantised(case: Convolution, given: Mapping[str, NDArray[np.float32]], sums: Exact) -> Exact:
    plain = fp32_reference(case, given)
    low, high = threshold(plain.values)
    # The threshold was taken from the FP32 outputs as MKL-DNN computed them, and then cut to its decimals.
    unsure = float(plain.allowed.max()) + 10.0**-DECIMALS
    widest = max(abs(low), abs(high))
    step = widest / (255 if case.relu else 127)
    # What overshoots the threshold by rounding is clipped, at -128 where there is a sign.
    values = np.clip(sums.values, 0.0 if case.relu else -128 * step, widest)
    return Exact(values, sums.allowed + HALF * step + unsure)


def _spread(case: OperatorCase, rounded: Mapping[str, Rounded]) -> Array:
    """How much the output may change when every operand changes by what is unclear of it."""
    unclear = {name: operand.unclear for name, operand in rounded.items()}
    if "weight" not in rounded:
        return unweighed(case, unclear)
    data, weight = (np.abs(rounded[name].values) for name in ("data0", "weight"))
    products = (
        weighed(case, data, unclear["weight"])
        + weighed(case, unclear["data0"], weight)
        + weighed(case, unclear["data0"], unclear["weight"])
    )
    others = magnitude(case, {**unclear, "weight": np.zeros_like(weight)})
    return products + others


def threshold(values: NDArray[np.floating]) -> tuple[float, float]:
    """The calibrated range of values, as the symbol holds it; what has no negative low is unsigned."""
    low, high = (float(f"{np.float32(value):.{DECIMALS}f}") for value in (values.min(), values.max()))
    return low, high


def _step(low: float, high: float) -> float:
    return high / 255 if low >= 0 else max(-low, high) / 127


def _rounded(values: Array, step: Array | float, *, unsigned: bool = False) -> Rounded:
    steps = values / step
    fraction = np.abs(steps - np.floor(steps) - 0.5)
    whole = np.clip(np.round(steps), *((0, 255) if unsigned else (-128, 127)))
    return Rounded(whole * step, np.where(fraction < SLACK, step, 0.0))
