"""Order statistics, compared with numpy's."""

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perf.judge.statistics import median, midmean, quantile

DURATIONS = st.lists(st.integers(0, 10**12), min_size=1, max_size=40)
FRACTIONS = st.floats(0, 1)


@settings(deadline=None)  # the cores are shared
@given(DURATIONS, FRACTIONS)
def test_the_quantile_is_numpys_linear_one(values: list[int], q: float) -> None:
    assert quantile(values, q) == pytest.approx(float(np.quantile(values, q, method="linear")), rel=1e-12, abs=1e-9)


@settings(deadline=None)
@given(DURATIONS)
def test_the_median_is_numpys(values: list[int]) -> None:
    assert median(values) == float(np.median(values))


@settings(deadline=None)
@given(DURATIONS, FRACTIONS, FRACTIONS, st.randoms(use_true_random=False))
def test_a_quantile_grows_with_q_whatever_the_order_of_values(
    values: list[int], one: float, other: float, luck: Random
) -> None:
    shuffled = luck.sample(values, len(values))
    low, high = sorted((one, other))
    assert min(values) <= quantile(values, low) <= quantile(shuffled, high) <= max(values)


@settings(deadline=None)
@given(st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=10))
def test_the_midmean_is_the_mean_of_the_middle_half_of_four_copies(values: list[int]) -> None:
    ordered = sorted(4 * values)
    middle = ordered[len(values) : -len(values)]
    assert midmean(values) == pytest.approx(float(np.mean(middle)), rel=1e-9, abs=1e-6)


def test_outliers_do_not_move_the_midmean() -> None:
    assert midmean([1.0, 2.0, 3.0, 1e9]) == midmean([-1e9, 2.0, 3.0, 4.0]) == 2.5
    assert midmean([5.0]) == 5.0
    with pytest.raises(ValueError, match="no values"):
        midmean([])


def test_values_are_not_sorted_in_place() -> None:
    values = [3, 1, 2]
    assert median(values) == 2
    assert values == [3, 1, 2]


def test_a_quantile_without_values_is_refused() -> None:
    with pytest.raises(ValueError, match="no values"):
        median([])
