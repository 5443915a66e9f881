"""Order statistics, compared with numpy's, and Holm's rule, compared with a closed test."""

import itertools
import math
from random import Random

import numpy as np
import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st

from perf.judge.holm import adjusted
from perf.judge.statistics import median, midmean, quantile, trimmed_mean

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


P_VALUES = st.lists(st.floats(0, 1), max_size=5)


@given(P_VALUES, st.floats(0.001, 0.5))
def test_holm_finds_what_the_closed_test_of_bonferroni_finds(p_values: list[float], level: float) -> None:
    # Marcus, Peritz and Gabriel, "On closed testing procedures", 1976: a result counts if each set of results that
    # holds it would be refused together, here by Bonferroni.
    places = range(len(p_values))
    sets = [chosen for size in places for chosen in itertools.combinations(places, size + 1)]
    refused = {chosen for chosen in sets if min(p_values[place] for place in chosen) * len(chosen) <= level}
    expected = [all(chosen in refused for chosen in sets if place in chosen) for place in places]
    assert [p <= level for p in adjusted(p_values)] == expected


@given(P_VALUES)
def test_holm_keeps_the_order_and_never_lowers_a_p_value(p_values: list[float]) -> None:
    results = adjusted(p_values)
    assert all(p <= result <= min(1.0, len(p_values) * p) for p, result in zip(p_values, results, strict=True))
    assert sorted(results) == [result for _, result in sorted(zip(p_values, results, strict=True))]
    assert adjusted(p_values[::-1]) == results[::-1]


def test_holm_keeps_the_probability_of_a_false_result() -> None:
    drawn = np.random.default_rng(1).uniform(size=(2000, 30))
    false = sum(min(adjusted(row.tolist())) <= 0.05 for row in drawn)
    assert 70 <= false <= 130  # 5 % of 2000, plus or minus three standard deviations


@pytest.mark.parametrize("p_value", [-0.1, 1.1, float("nan")])
def test_holm_refuses_what_is_no_probability(p_value: float) -> None:
    with pytest.raises(ValueError, match="outside of 0 to 1"):
        adjusted([0.5, p_value])


@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=40))
def test_the_trimmed_mean_and_its_error_are_yuens(values: list[int]) -> None:
    mean, variance = trimmed_mean(values)
    assert mean == pytest.approx(float(scipy.stats.trim_mean(values, 0.2)))
    error = math.sqrt(variance / len(values))
    if error > 1e-6:
        moved = [value - 1.0 for value in values]
        yuen = scipy.stats.ttest_ind(values, moved, equal_var=False, trim=0.2)
        assert yuen.statistic == pytest.approx(1 / (error * math.sqrt(2)))


def test_one_value_far_off_hardly_moves_a_trimmed_mean() -> None:
    assert trimmed_mean([0.0, 0.01, -0.01, 0.0, 0.01, 0.3])[0] == pytest.approx(0.005)
    assert trimmed_mean([0.0, 0.3]) == pytest.approx((0.15, 0.045)), "too few to leave one out"
    assert trimmed_mean([0.3]) == (0.3, 0.0)
