"""The prior of variances: found again where it is known, and silent where nothing is known."""

import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.judge.spread import MAX_DEGREES, NO_PRIOR, fit_spread, sum_of_squares

# Log speedups are kept with six digits.
VALUES = st.lists(st.integers(-3_000_000, 3_000_000).map(lambda millionths: millionths / 1e6), min_size=2, max_size=8)


def simulated(groups: int, size: int, degrees: float, variance: float, seed: int = 1) -> list[list[float]]:
    """Samples whose own variances scatter as a scaled inverse chi-square with `degrees` degrees of freedom."""
    draw = random.Random(seed)
    found = []
    for _ in range(groups):
        own = variance * degrees / draw.gammavariate(degrees / 2, 2)
        found.append([draw.gauss(1.5, own**0.5) for _ in range(size)])
    return found


def test_prior_is_found_again() -> None:
    spread = fit_spread(simulated(groups=4000, size=4, degrees=6, variance=1e-4))
    assert spread.variance == pytest.approx(1e-4, rel=0.1)
    assert spread.degrees == pytest.approx(6, rel=0.2)


def test_alike_variances_are_worth_the_most() -> None:
    draw = random.Random(1)
    same = [[draw.gauss(0, 0.01) for _ in range(4)] for _ in range(2000)]
    spread = fit_spread(same)
    assert spread.degrees == MAX_DEGREES
    assert spread.variance == pytest.approx(1e-4, rel=0.1)


def test_the_prior_is_worth_little_where_variances_differ_much() -> None:
    assert fit_spread(simulated(groups=500, size=6, degrees=0.8, variance=1e-4)).degrees < 2


@pytest.mark.parametrize("samples", [[], [[0.1]], [[0.1], [0.2]], [[0.1, 0.2]], [[0.1, 0.1], [0.2, 0.2]]])
def test_nothing_is_known_from_single_or_equal_invocations(samples: list[list[float]]) -> None:
    assert fit_spread(samples) == NO_PRIOR


@given(VALUES)
def test_sum_of_squares(values: list[float]) -> None:
    assert sum_of_squares(values) == pytest.approx(statistics.variance(values) * (len(values) - 1), abs=1e-12)


@given(st.lists(VALUES, min_size=2, max_size=20), st.floats(-5, 5))
def test_a_slower_machine_has_the_same_prior(samples: list[list[float]], shift: float) -> None:
    before = fit_spread(samples)
    after = fit_spread([[value + shift for value in sample] for sample in samples])
    assert after.variance == pytest.approx(before.variance, rel=1e-3)
    assert after.degrees == pytest.approx(before.degrees, rel=1e-3)


def test_the_rounding_of_equal_values_is_no_variance() -> None:
    apart = [[0.0, 1.0], [0.0, 1.0]]
    assert fit_spread([*apart, [0.7, 0.7, 0.7]]) == fit_spread(apart)
