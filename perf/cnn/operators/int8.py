"""What an INT8 operator must compute: the exact operator, with operands rounded to their quantisation steps. Pure.

The steps are those of MXNet 1.5 with MKL-DNN 0.19. Calibration ("naive") uses the same data as the pass, so that values
are clipped only because thresholds are rounded. t is the threshold, the largest absolute value:

- data, addend, and inputs of a concat: t/255 if no value is negative, else t/127
  (src/operator/quantization/mkldnn/mkldnn_quantize_v2-inl.h, type "auto"). All inputs of a concat get the widest of
  their ranges (src/operator/subgraph/mkldnn/mkldnn_post_quantize_align_scale_property.h).
- weight of a convolution: t/127 for each output channel; t/63.5 on CPUs without AVX-512 where the data have signs
  (perf/cnn/operators/arithmetic.py). Its bias has the product of the data's and the weight's steps, as a 32-bit integer
  (src/operator/subgraph/mkldnn/mkldnn_conv.cc, GetWeightScales and ConvertWeightBias2MKLDNN).
- weight and bias of a fully-connected layer: t/127 over all values, rounded before the network runs
  (python/mxnet/contrib/quantization.py, _quantize_params). The bias is then truncated to an integer multiple of the
  product of the data's and the weight's steps (mkldnn_fc.cc).
- output of a convolution, with addend and relu: t/255 after a relu, else t/127 (mkldnn_conv.cc, requantize_scales).
- output of a fully-connected layer: stays in FP32 if it is the last operator (enable_float_output of
  mkldnn_fc_post_quantize_property.h).
- average: the step of the data (mkldnn_quantized_pooling.cc).

Products are summed exactly in 32-bit integers.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perf.cnn.operators.arithmetic import EXACT, HALVED, Arithmetic
from perf.cnn.operators.base import OperatorCase
from perf.cnn.operators.kinds import Concat, Convolution, FullyConnected, Pooling
from perf.cnn.operators.reference import (
    MORE_ROUNDINGS,
    Array,
    ExactOutput,
    gamma,
    magnitude,
    output,
    unweighted_output,
    weighted_sums,
)
from perf.cnn.operators.reference import fp32 as fp32_reference

# The releases that have these steps. Those of 1.6.0 differ.
RELEASES = ("1.5.0", "1.5.1")
# By how much of a step a quotient may be off before it is rounded to the nearest step. It is computed in FP32, is at
# most 255, and has four roundings of 2^-24 each.
SLACK = 2.0**-13
# The largest rounding error, in steps.
HALF_STEP = 0.5 + SLACK
# The symbol stores thresholds with six decimals (std::to_string, quantize_graph_pass.cc).
DECIMALS = 6


@dataclass(frozen=True, eq=False)
class RoundedOperand:
    """An operand rounded to whole steps.

    `values`: the rounded values. `uncertainty`: by how much each may differ in the program: a step if it is unclear
    which of two steps is nearer.
    """

    values: Array
    uncertainty: Array


def weight_steps(arithmetic: Arithmetic, *, signed: bool) -> float:
    """Return the steps from zero to the threshold of a convolution's weight, for data with signs or without."""
    return 127 / 2 if signed and arithmetic == HALVED else 127


def int8(case: OperatorCase, inputs: Mapping[str, NDArray[np.float32]], arithmetic: Arithmetic = EXACT) -> ExactOutput:
    """Return what a case must compute of its arrays in INT8, in the arithmetic of a CPU.

    The allowed error is half a step of the output plus what follows from the operands' uncertainty.
    """
    arrays = {name: array.astype(np.float64) for name, array in inputs.items()}
    rounded = _operands(case, arrays, arithmetic)
    operands = {name: operand.values for name, operand in rounded.items()}
    values, allowed = output(case, operands), _propagated(case, rounded)
    match case:
        case FullyConnected():
            return ExactOutput(values, allowed + gamma(MORE_ROUNDINGS) * magnitude(case, operands))
        case Pooling(pool="avg"):
            return ExactOutput(values, allowed + HALF_STEP * _step(*threshold(arrays["data0"])))
        case Convolution():
            return _requantised(
                case, inputs, ExactOutput(values, allowed + gamma(MORE_ROUNDINGS) * magnitude(case, operands))
            )
        case _:
            return ExactOutput(values, allowed + SLACK * _step(*threshold(values)))


def _operands(case: OperatorCase, arrays: Mapping[str, Array], arithmetic: Arithmetic) -> dict[str, RoundedOperand]:
    """Round data and parameters to their steps."""
    thresholds = {name: threshold(arrays[name]) for name in case.data_shapes}
    if isinstance(case, Concat):
        widest = min(low for low, _ in thresholds.values()), max(high for _, high in thresholds.values())
        thresholds = dict.fromkeys(thresholds, widest)
    rounded = {
        name: _rounded(arrays[name], _step(low, high), unsigned=low >= 0) for name, (low, high) in thresholds.items()
    }
    if "weight" not in arrays:
        return rounded
    weight = arrays["weight"]
    by_channel = isinstance(case, Convolution)
    largest = np.abs(weight).max(axis=tuple(range(1, weight.ndim)) if by_channel else None, keepdims=True)
    steps = weight_steps(arithmetic, signed=thresholds["data0"][0] < 0) if by_channel else 127
    rounded["weight"] = _rounded(weight, largest / steps)
    if "bias" in arrays:
        product = _step(*thresholds["data0"]) * largest.ravel() / steps
        rounded["bias"] = _bias(case, arrays["bias"], product)
    return rounded


def _bias(case: OperatorCase, bias: Array, product: Array) -> RoundedOperand:
    if isinstance(case, Convolution):
        return RoundedOperand(bias, HALF_STEP * product + gamma(MORE_ROUNDINGS) * np.abs(bias))
    largest = np.abs(bias).max()
    quantised = _rounded(bias, largest / 127)
    return RoundedOperand(quantised.values, quantised.uncertainty + product + gamma(MORE_ROUNDINGS) * np.abs(bias))


def _requantised(case: Convolution, inputs: Mapping[str, NDArray[np.float32]], sums: ExactOutput) -> ExactOutput:
    plain = fp32_reference(case, inputs)
    low, high = threshold(plain.values)
    # Calibration takes the threshold from MKL-DNN's own FP32 outputs, and stores it with a few decimals.
    uncertainty = float(plain.allowed.max()) + 10.0**-DECIMALS
    widest = max(abs(low), abs(high))
    step = widest / (255 if case.relu else 127)
    # Values beyond the threshold are clipped, signed ones at -128 steps.
    values = np.clip(sums.values, 0.0 if case.relu else -128 * step, widest)
    return ExactOutput(values, sums.allowed + HALF_STEP * step + uncertainty)


def _propagated(case: OperatorCase, rounded: Mapping[str, RoundedOperand]) -> Array:
    """Return how much the output may change when every operand changes by its uncertainty."""
    uncertainty = {name: operand.uncertainty for name, operand in rounded.items()}
    if "weight" not in rounded:
        return unweighted_output(case, uncertainty)
    data, weight = (np.abs(rounded[name].values) for name in ("data0", "weight"))
    products = (
        weighted_sums(case, data, uncertainty["weight"])
        + weighted_sums(case, uncertainty["data0"], weight)
        + weighted_sums(case, uncertainty["data0"], uncertainty["weight"])
    )
    bias_and_addend = magnitude(case, {**uncertainty, "weight": np.zeros_like(weight)})
    return products + bias_and_addend


def threshold(values: NDArray[np.floating]) -> tuple[float, float]:
    """Return the calibrated range (low, high) of values, as the symbol stores it: unsigned unless low is negative."""
    low, high = (float(f"{np.float32(value):.{DECIMALS}f}") for value in (values.min(), values.max()))
    return low, high


def _step(low: float, high: float) -> float:
    return high / 255 if low >= 0 else max(-low, high) / 127


def _rounded(values: Array, step: Array | float, *, unsigned: bool = False) -> RoundedOperand:
    steps = values / step
    fraction = np.abs(steps - np.floor(steps) - 0.5)
    whole = np.clip(np.round(steps), *((0, 255) if unsigned else (-128, 127)))
    return RoundedOperand(whole * step, np.where(fraction < SLACK, step, 0.0))
