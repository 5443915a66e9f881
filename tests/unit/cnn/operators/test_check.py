"""How an output is compared with the exact one."""

import numpy as np
import pytest

from perf.cnn.operators.check import compare_output
from perf.cnn.operators.reference import ExactOutput


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1.0 + 3e-6])
def test_a_value_that_is_wrong_or_not_finite_is_a_problem(wrong: float) -> None:
    exact = ExactOutput(np.ones((1, 2)), np.full((1, 2), 1e-6))
    outcome = compare_output("mkl-fp32", np.array([[1.0, wrong]], np.float32), exact)
    assert outcome.ratio > 1
    assert outcome.problem is not None
    assert outcome.problem.startswith("mkl-fp32: 1 of 2 values are wrong, the worst at [0, 1]: ")


def test_an_output_of_another_shape_is_a_problem() -> None:
    outcome = compare_output("mkl-fp32", np.ones((2, 1), np.float32), ExactOutput(np.ones((1, 2)), np.ones((1, 2))))
    assert outcome.problem == "mkl-fp32: the output has shape (2, 1) instead of (1, 2)"


def test_any_difference_is_a_problem_where_none_is_allowed() -> None:
    exact = ExactOutput(np.zeros(2), np.zeros(2))
    assert compare_output("mkl-fp32", np.zeros(2, np.float32), exact).ratio == 0
    assert compare_output("mkl-fp32", np.array([0, 1e-30], np.float32), exact).problem is not None
