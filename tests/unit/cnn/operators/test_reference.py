"""The operators' references compared with manual values, naive loops and scipy; and properties of the bounds."""

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.signal import correlate2d

from perf.cnn.operators.base import OperatorCase
from perf.cnn.operators.check import compare_output
from perf.cnn.operators.int8 import int8, threshold
from perf.cnn.operators.kinds import Concat, Convolution, FullyConnected, Pooling, Residual
from perf.cnn.operators.reference import fp32, gamma, magnitude, output, weighted_sums
from perf.cnn.operators.strategies import CASES

ANY = st.one_of(*CASES.values())
WEIGHED = st.one_of(CASES["convolution"], CASES["fully_connected"])
briefly = settings(
    max_examples=60, database=None, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)


def arrays_of(case: OperatorCase) -> dict[str, Any]:
    return {**case.data(), **case.parameters()}


def in_double(case: OperatorCase) -> dict[str, Any]:
    return {name: array.astype(np.float64) for name, array in arrays_of(case).items()}


def test_a_convolution_by_hand() -> None:
    case = Convolution(batch=1, channels=1, size=(2, 3), filters=1, kernel=(2, 2), relu=True)
    arrays = {
        "data0": np.array([[[[1, 2, 3], [4, 5, 6]]]], np.float32),
        "weight": np.array([[[[1, -1], [0, 2]]]], np.float32),
        "bias": np.array([-10.5], np.float32),
    }
    exact = fp32(case, arrays)
    assert exact.values.tolist() == [[[[0.0, 0.5]]]]
    summed = [[[[1 + 2 + 10 + 10.5, 2 + 3 + 12 + 10.5]]]]
    assert exact.allowed == pytest.approx(gamma(8) * np.array(summed))


def test_a_residual_sum_by_hand() -> None:
    case = Residual(batch=1, channels=1, size=(1, 1), filters=1, kernel=(1, 1), bias=False)
    arrays = {name: np.full((1, 1, 1, 1), value, np.float32) for name, value in [("data0", 2), ("weight", 3)]}
    assert fp32(case, {**arrays, "data1": np.full((1, 1, 1, 1), -7, np.float32)}).values.item() == -1


def test_a_fully_connected_layer_flattens() -> None:
    case = FullyConnected(batch=1, inputs=(2, 1, 1), outputs=2)
    arrays = {
        "data0": np.array([[[[1]], [[10]]]], np.float32),
        "weight": np.array([[1, 2], [3, -4]], np.float32),
        "bias": np.array([100, 200], np.float32),
    }
    assert fp32(case, arrays).values.tolist() == [[121.0, 163.0]]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"pool": "max"}, [2]),
        ({"pool": "avg"}, [1.5]),
        ({"pool": "max", "pad": (0, 1)}, [1, 3]),
        ({"pool": "avg", "pad": (0, 1)}, [0.5, 2.5]),
        ({"pool": "avg", "pad": (0, 1), "count_pad": False}, [1, 2.5]),
        ({"pool": "max", "full": True}, [2, 3]),
        ({"pool": "avg", "full": True}, [1.5, 3]),
        ({"pool": "max", "whole": True}, [3]),
        ({"pool": "avg", "whole": True}, [2]),
    ],
)
def test_a_pooling_by_hand(fields: dict[str, Any], expected: list[float]) -> None:
    """Pool the row 1 2 3 with windows of two values and a stride of two."""
    case = Pooling(batch=1, channels=1, size=(1, 3), kernel=(1, 2), stride=(1, 2), **fields)
    row = {"data0": np.array([[[[1, 2, 3]]]], np.float32)}
    assert fp32(case, row).values.ravel().tolist() == expected


@briefly
@given(CASES["convolution"])
def test_convolutions_equal_scipys_correlations(case: Convolution) -> None:
    arrays = in_double(case)
    (pad_height, pad_width), (step_down, step_right) = case.pad, case.stride
    padded = np.pad(arrays["data0"], [(0, 0), (0, 0), (pad_height, pad_height), (pad_width, pad_width)])
    kernels = np.zeros(
        (*arrays["weight"].shape[:2], *(d * (k - 1) + 1 for d, k in zip(case.dilate, case.kernel, strict=True)))
    )
    kernels[:, :, :: case.dilate[0], :: case.dilate[1]] = arrays["weight"]
    sums = weighted_sums(case, arrays["data0"], arrays["weight"])
    assert sums.shape[2:] == case.output_size
    own, filters = case.channels // case.groups, case.filters // case.groups
    for filter_ in {0, case.filters - 1}:
        first = filter_ // filters * own
        summed = sum(
            correlate2d(padded[0, first + channel], kernels[filter_, channel], mode="valid") for channel in range(own)
        )
        assert sums[0, filter_] == pytest.approx(np.asarray(summed)[::step_down, ::step_right], rel=1e-9, abs=1e-9)


@briefly
@given(CASES["pooling"])
def test_poolings_equal_naive_loops(case: Pooling) -> None:
    data = case.data()["data0"].astype(np.float64)
    pooled = output(case, {"data0": data})
    if case.whole:
        expected = data.max((2, 3)) if case.pool == "max" else data.mean((2, 3))
        assert pooled[:, :, 0, 0] == pytest.approx(expected)
        return
    (height, width), (pad_height, pad_width) = case.size, case.pad
    last = pooled.shape[2] - 1, pooled.shape[3] - 1
    top, left = (place * stride - pad for place, stride, pad in zip(last, case.stride, case.pad, strict=True))
    taken, counted = [], 0
    for row in range(top, top + case.kernel[0]):
        for column in range(left, left + case.kernel[1]):
            counted += row < height + pad_height and column < width + pad_width
            if 0 <= row < height and 0 <= column < width:
                taken.append(data[0, 0, row, column])
    divisor = counted if case.count_pad else len(taken)
    assert pooled[0, 0, -1, -1] == pytest.approx(max(taken) if case.pool == "max" else sum(taken) / divisor)


def test_a_concat_joins_channels() -> None:
    case = Concat(batch=1, size=(1, 1), channels=(1, 2), scales=(1.0, 1.0), signs=(True, True))
    arrays = arrays_of(case)
    joined = [*arrays["data0"].ravel().tolist(), *arrays["data1"].ravel().tolist()]
    assert fp32(case, arrays).values.ravel().tolist() == joined


@briefly
@given(ANY)
def test_the_same_case_has_the_same_arrays(case: OperatorCase) -> None:
    first, second = arrays_of(case), arrays_of(case)
    assert all((first[name] == second[name]).all() for name in first)
    assert all(array.dtype == np.float32 for array in first.values())


@briefly
@given(ANY)
def test_numpy_in_single_precision_is_within_the_fp32_bound(case: OperatorCase) -> None:
    arrays = arrays_of(case)
    single: Any = output(case, arrays)
    assert compare_output("numpy", single.astype(np.float32), fp32(case, arrays)).problem is None


@briefly
@given(st.one_of(CASES["concat"], CASES["pooling"].map(lambda case: msgspec.structs.replace(case, pool="max"))))
def test_copies_and_maxima_are_exact(case: OperatorCase) -> None:
    assert not fp32(case, arrays_of(case)).allowed.any()


@briefly
@given(WEIGHED)
def test_int8_is_within_half_steps_of_the_exact_operator(case: Convolution | FullyConnected) -> None:
    """Rounding to steps changes a sum of products by at most the sum of |x| e_w + |w| e_x + e_x e_w, where e_x and e_w
    are the errors of data and weights, plus the steps of bias and output.
    """
    arrays = in_double(case)
    data, weight = np.abs(arrays["data0"]), np.abs(arrays["weight"])
    low, high = threshold(data * np.sign(arrays["data0"]))
    data_step = high / 255 if low >= 0 else max(-low, high) / 127
    is_convolution = isinstance(case, Convolution)
    axes = tuple(range(1, weight.ndim)) if is_convolution else None
    weight_step = weight.max(axis=axes, keepdims=True) / 127
    of_data = np.full_like(data, 0.5001 * data_step + 1e-6)
    of_weight = np.broadcast_to(0.5001 * weight_step, weight.shape)
    largest_error = (
        weighted_sums(case, data, of_weight)
        + weighted_sums(case, of_data, weight)
        + weighted_sums(case, of_data, of_weight)
    )
    exact, rounded = output(case, arrays), int8(case, arrays_of(case))
    if is_convolution:
        largest_error += np.abs(exact).max() / 127 + data_step * float(weight_step.max())
    elif case.bias:
        largest_error += np.abs(arrays["bias"]).max() / 127
    assert (np.abs(rounded.values - exact) <= largest_error + rounded.allowed + 1e-6).all()


@briefly
@given(WEIGHED)
def test_the_fp32_bound_scales_with_the_data(case: Convolution | FullyConnected) -> None:
    arrays = in_double(case)
    larger = {**arrays, "data0": 2 * arrays["data0"], **({"bias": 2 * arrays["bias"]} if case.bias else {})}
    assert magnitude(case, larger) == pytest.approx(2 * magnitude(case, arrays))
