"""Which examples a build can be asked, and what the example of several operators must compute."""

import msgspec
import numpy as np
import pytest

from perf.cnn.operators.check import compare_output
from perf.cnn.operators.workers import ranges_of
from perf.defects import all_defects
from perf.errors import WorkerError
from perf.known_defects.answers import Answer
from perf.known_defects.ask import answer_of, case_of, example_for, roughly, why_not
from perf.known_defects.networks import Joined, Reused
from tests.support.fakes import build

NEGATIVE = "the defect needs negative data, which the release does not quantise"


@pytest.mark.parametrize(
    ("name", "distribution", "version", "reason"),
    [
        ("grouped-convolution-fours", "mxnet-mkl", "1.3.1", None),
        ("grouped-convolution-fours", "mxnet", "1.5.0", None),
        ("int8-average-full", "mxnet", "1.5.0", "INT8 needs MKL-DNN"),
        ("int8-average-full", "mxnet-mkl", "1.3.1", "quantisation with MKL-DNN came with 1.4"),
        ("int8-depthwise-padding", "mxnet-mkl", "1.4.1", NEGATIVE),
        ("int8-sum-of-other-type", "mxnet-mkl", "1.4.1", NEGATIVE),
    ],
)
def test_what_a_build_cannot_run_is_not_asked(name: str, distribution: str, version: str, reason: str | None) -> None:
    made = build(mxnet=version, distribution=distribution, mkldnn=distribution != "mxnet")
    assert why_not(name, all_defects()[name], made) == reason


@pytest.mark.parametrize("name", ["int8-grouped-convolution", "int8-average-full", "int8-concat-of-types"])
def test_a_release_without_negative_data_is_asked_with_absolute_values(name: str) -> None:
    defect = all_defects()[name]
    own, unsigned = (example_for(name, defect, build(mxnet=version).facts) for version in ("1.5.0", "1.4.1"))
    assert own == case_of(defect)
    assert all((values >= 0).all() for values in unsigned.data().values())
    assert msgspec.structs.replace(unsigned, signed=own.signed) == own


def test_an_example_in_fp32_keeps_its_signs_in_every_release() -> None:
    defect = all_defects()["grouped-convolution-threes"]
    assert example_for("grouped-convolution-threes", defect, build(mxnet="1.4.1").facts) == case_of(defect)


def test_the_range_of_each_input_is_fed_beside_it() -> None:
    fed = ranges_of({"data0": np.array([[3, 1], [2, 5]], "float32"), "data1": np.array([7], "float32")})
    assert {name: values.tolist() for name, values in fed.items()} == {
        "data0_min": [1], "data0_max": [5], "data1_min": [7], "data1_max": [7]
    }  # fmt: skip


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (
            "MXNetError: [05:38:54] src/x.cc:398: Unknown format\ntrace",
            Answer("fails", "MXNetError: src/x.cc:398: Unknown format"),
        ),
        (
            "TypeError: Only accept list of NDArrays",
            Answer("cannot be asked", "TypeError: Only accept list of NDArrays"),
        ),
        ("the worker ended by SIGSEGV", Answer("fails", "the worker ended by SIGSEGV")),
    ],
)
def test_errors_of_python_around_an_example_are_no_failures_of_it(error: str, answer: Answer) -> None:
    assert answer_of(WorkerError(error, "")) == answer


def test_joined_convolutions_keep_their_signs_or_lose_them() -> None:
    case = case_of(all_defects()["int8-concat-of-types"])
    assert isinstance(case, Joined)
    products = case.data()["data0"] * case.parameters()["weight"]
    assert (products < 0).any()
    assert (products > 0).any()
    np.testing.assert_allclose(case.output(), np.concatenate([np.maximum(products, 0), products], axis=1))
    assert [node["op"] for node in case.nodes] == ["Convolution", "Activation", "Convolution", "Concat", "identity"]
    names = {node["name"] for node in case.nodes}
    assert {name for node in case.nodes for name in node["inputs"]} <= names | {"data0", "weight"}


def test_a_reused_output_is_not_what_the_relu_leaves_of_it() -> None:
    case = case_of(all_defects()["fp32-reused-output"])
    assert isinstance(case, Reused)
    weight, data = case.parameters()["weight"], case.data()["data0"]
    first = weight * data
    assert (first < 0).any()
    assert (first > 0).any()
    relu = np.maximum(first, 0)
    np.testing.assert_allclose(case.output(), weight * relu + first, rtol=1e-5, atol=1e-6)
    wrong = (weight * relu + relu).astype(np.float32)
    assert compare_output("mkl-fp32", wrong, roughly(case)).problem is not None


def test_unknown_steps_are_allowed_a_fraction_of_the_largest_output() -> None:
    case = case_of(all_defects()["int8-average-full"])
    exact = roughly(case)
    largest = float(np.abs(exact.values).max())
    assert (
        compare_output("mkl-int8", exact.values.astype(np.float32) + np.float32(0.03 * largest), exact).problem is None
    )
    halved = (exact.values / 2).astype(np.float32)
    assert compare_output("mkl-int8", halved, exact).problem is not None
