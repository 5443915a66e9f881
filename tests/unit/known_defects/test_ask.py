"""Which examples a build can be asked, and what the example of several operators must compute."""

import numpy as np
import pytest

from perf.cnn.operators.check import compare_output
from perf.defects import all_defects
from perf.errors import WorkerError
from perf.known_defects.answers import Answer
from perf.known_defects.ask import answer_of, case_of, roughly, why_not
from perf.known_defects.joined import Joined
from tests.support.fakes import build

FED_RANGES = "it quantises an input only if the range is fed as two more inputs, and takes no negative data"


@pytest.mark.parametrize(
    ("name", "distribution", "version", "reason"),
    [
        ("grouped-convolution-fours", "mxnet-mkl", "1.3.1", None),
        ("grouped-convolution-fours", "mxnet", "1.5.0", None),
        ("int8-average-full", "mxnet", "1.5.0", "INT8 needs MKL-DNN"),
        ("int8-average-full", "mxnet-mkl", "1.3.1", "quantisation with MKL-DNN came with 1.4"),
        ("int8-concat-of-types", "mxnet-mkl", "1.4.1", FED_RANGES),
    ],
)
def test_what_a_build_cannot_run_is_not_asked(name: str, distribution: str, version: str, reason: str | None) -> None:
    made = build(mxnet=version, distribution=distribution, mkldnn=distribution != "mxnet")
    assert why_not(name, all_defects()[name], made) == reason


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


def test_unknown_steps_are_allowed_a_fraction_of_the_largest_output() -> None:
    case = case_of(all_defects()["int8-average-full"])
    exact = roughly(case)
    largest = float(np.abs(exact.values).max())
    assert (
        compare_output("mkl-int8", exact.values.astype(np.float32) + np.float32(0.03 * largest), exact).problem is None
    )
    halved = (exact.values / 2).astype(np.float32)
    assert compare_output("mkl-int8", halved, exact).problem is not None
