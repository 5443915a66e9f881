"""How an output is compared with what it must be."""

import numpy as np
import pytest

from perf.cnn.operators.check import judged
from perf.cnn.operators.reference import Exact


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1.0 + 3e-6])
def test_a_value_that_is_wrong_or_none_is_found(wrong: float) -> None:
    exact = Exact(np.ones((1, 2)), np.full((1, 2), 1e-6))
    finding = judged("mkl-fp32", np.array([[1.0, wrong]], np.float32), exact)
    assert finding.ratio > 1
    assert finding.problem is not None
    assert finding.problem.startswith("mkl-fp32: 1 of 2 values are too far from what they must be, the worst at [0, 1]")


def test_an_output_of_another_shape_is_found() -> None:
    finding = judged("mkl-fp32", np.ones((2, 1), np.float32), Exact(np.ones((1, 2)), np.ones((1, 2))))
    assert finding.problem == "mkl-fp32: an output of shape (2, 1), not (1, 2)"


def test_nothing_may_differ_where_nothing_is_allowed() -> None:
    exact = Exact(np.zeros(2), np.zeros(2))
    assert judged("mkl-fp32", np.zeros(2, np.float32), exact).ratio == 0
    assert judged("mkl-fp32", np.array([0, 1e-30], np.float32), exact).problem is not None
