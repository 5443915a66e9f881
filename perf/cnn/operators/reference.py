"""The operators in plain numpy and double precision, and how far FP32 results may be from them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from perf.cnn.operators.base import OperatorCase
from perf.cnn.operators.kinds import Concat, Convolution, FullyConnected, Pooling, Residual

Array = NDArray[np.float64]
# The unit roundoff of FP32.
UNIT_ROUNDOFF = 2.0**-24
# Roundings besides those of the sum of products: bias, addend, the division of an average, and one to spare.
MORE_ROUNDINGS = 4


@dataclass(frozen=True, eq=False)
class ExactOutput:
    """An operator's exact output (`values`), and the error `allowed` for each element: two arrays of the same shape."""

    values: Array
    allowed: Array


def gamma(roundings: int) -> float:
    """Return the largest relative error of n roundings in FP32: n u / (1 - n u), where u is the unit roundoff.

    Source: Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., lemma 3.1.
    """
    return roundings * UNIT_ROUNDOFF / (1 - roundings * UNIT_ROUNDOFF)


def fp32(case: OperatorCase, inputs: Mapping[str, NDArray[np.float32]]) -> ExactOutput:
    """Return what a case must compute of its arrays in FP32.

    In any order of summation, with or without fused multiply-adds, a sum of n products is within gamma(n) times the sum
    of their absolute values (Higham, equation 3.5). Bias and addend are further summands. A relu never increases the
    distance of two numbers. Maxima and copies are exact.
    """
    arrays = {name: array.astype(np.float64) for name, array in inputs.items()}
    values = output(case, arrays)
    return ExactOutput(values, gamma(terms(case) + MORE_ROUNDINGS) * magnitude(case, arrays))


def output(case: OperatorCase, arrays: Mapping[str, Array]) -> Array:
    """Return a case's output, with bias, addend and relu."""
    sums = (
        weighted_sums(case, arrays["data0"], arrays["weight"])
        if "weight" in arrays
        else unweighted_output(case, arrays)
    )
    sums = sums + _other_summands(case, arrays)
    return np.maximum(sums, 0.0) if getattr(case, "relu", False) else sums


def magnitude(case: OperatorCase, arrays: Mapping[str, Array]) -> Array:
    """Return the sum of the absolute values of all summands of each output; zero if nothing is summed."""
    sizes = {name: np.abs(array) for name, array in arrays.items()}
    if "weight" in sizes:
        return weighted_sums(case, sizes["data0"], sizes["weight"]) + _other_summands(case, sizes)
    values = unweighted_output(case, sizes)
    return values if isinstance(case, Pooling) and case.pool == "avg" else np.zeros_like(values)


def terms(case: OperatorCase) -> int:
    """Return the largest number of products, or values, that one output sums."""
    match case:
        case Convolution() | FullyConnected():
            return int(np.prod(case.parameter_shapes["weight"][1:]))
        case Pooling(pool="avg"):
            return int(np.prod(case.size if case.whole else case.kernel))
        case _:
            return 0


def weighted_sums(case: OperatorCase, data: Array, weight: Array) -> Array:
    """Return the sums of products of a convolution or fully-connected layer. Raises TypeError for other cases."""
    match case:
        case Convolution():
            return _convolved(case, data, weight)
        case FullyConnected():
            return data.reshape(len(data), -1) @ weight.T
    raise TypeError(f"{case} has no weight")


def unweighted_output(case: OperatorCase, arrays: Mapping[str, Array]) -> Array:
    """Return the output of a pooling or concat. Raises TypeError for other cases."""
    match case:
        case Pooling():
            return _pooled(case, arrays["data0"])
        case Concat():
            return np.concatenate([arrays[name] for name in case.data_shapes], axis=1)
    raise TypeError(f"{case} has a weight")


def _other_summands(case: OperatorCase, arrays: Mapping[str, Array]) -> Array:
    bias = arrays["bias"] if "bias" in arrays else np.zeros(1)
    if isinstance(case, Convolution):
        bias = bias[:, None, None]
    return bias + arrays["data1"] if isinstance(case, Residual) else bias


def _convolved(case: Convolution, data: Array, weight: Array) -> Array:
    padded = np.pad(data, [(0, 0), (0, 0), *((pad, pad) for pad in case.pad)])
    reach = [dilate * (kernel - 1) + 1 for dilate, kernel in zip(case.dilate, case.kernel, strict=True)]
    windows = sliding_window_view(padded, reach, axis=(2, 3))
    windows = windows[:, :, :: case.stride[0], :: case.stride[1], :: case.dilate[0], :: case.dilate[1]]
    groups = zip(np.split(windows, case.groups, axis=1), np.split(weight, case.groups), strict=True)
    return np.concatenate([np.einsum("nchwij,fcij->nfhw", part, own) for part, own in groups], axis=1)


def _pooled(case: Pooling, data: Array) -> Array:
    if case.whole:
        reduce = np.max if case.pool == "max" else np.mean
        return np.asarray(reduce(data, axis=(2, 3), keepdims=True))
    starts = [_starts(case, axis) for axis in (0, 1)]
    rows = [[_window(case, data, top, left) for left in starts[1]] for top in starts[0]]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def _starts(case: Pooling, axis: int) -> range:
    """Return where windows start, in coordinates of the unpadded image."""
    kernel, stride, pad = case.kernel[axis], case.stride[axis], case.pad[axis]
    room = case.size[axis] + 2 * pad - kernel
    count = (-(-room // stride) if case.full else room // stride) + 1
    return range(-pad, -pad + count * stride, stride)


def _window(case: Pooling, data: Array, top: int, left: int) -> Array:
    """Return one output of every image and channel.

    As in MXNet 1.5 (src/operator/nn/pool.h), a window ends where the padding ends, and `count_pad` says whether an
    average includes the padding.
    """
    ends = [
        min(start + kernel, size + pad)
        for start, kernel, size, pad in zip((top, left), case.kernel, case.size, case.pad, strict=True)
    ]
    inside = data[:, :, max(top, 0) : ends[0], max(left, 0) : ends[1]]
    if case.pool == "max":
        return np.asarray(inside.max(axis=(2, 3)))
    counted = (ends[0] - top) * (ends[1] - left) if case.count_pad else inside.shape[2] * inside.shape[3]
    return np.asarray(inside.sum(axis=(2, 3)) / counted)
