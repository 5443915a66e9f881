"""Which examples a build can be asked, and what the example of several operators must compute."""

import numpy as np
import pytest

from perf.cnn.operators.check import compare_output
from perf.defects import all_defects
from perf.known_defects.ask import case_of, roughly, why_not
from perf.known_defects.joined import Joined
from tests.support.fakes import build


@pytest.mark.parametrize(
    ("name", "distribution", "version", "reason"),
    [
        ("grouped-convolution-fours", "mxnet-mkl", "1.3.1", None),
        ("grouped-convolution-fours", "mxnet", "1.5.0", None),
        ("int8-average-full", "mxnet", "1.5.0", "INT8 needs MKL-DNN"),
        ("int8-average-full", "mxnet-mkl", "1.3.1", "quantisation with MKL-DNN came with 1.4"),
        ("int8-concat-of-types", "mxnet-mkl", "1.4.1", "its INT8 takes only data that are not negative"),
    ],
)
def test_what_a_build_cannot_run_is_not_asked(name: str, distribution: str, version: str, reason: str | None) -> None:
    made = build(mxnet=version, distribution=distribution, mkldnn=distribution != "mxnet")
    assert why_not(name, all_defects()[name], made) == reason


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
