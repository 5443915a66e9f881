"""The prior of variances: recovered from simulated cases, and assumed if there are few."""

import math
import random
import statistics
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import polygamma

from perf.judge.variance_prior import (
    FEW,
    MAX_DEGREES,
    NO_PRIOR,
    VariancePrior,
    fit_common,
    fit_variances,
    prior_of,
    sum_of_squares,
    variance_of,
)

# Log speedups are kept with six digits.
VALUES = st.lists(st.integers(-3_000_000, 3_000_000).map(lambda millionths: millionths / 1e6), min_size=2, max_size=8)


KNOWN = st.tuples(st.floats(1e-12, 1), st.integers(1, 8))
UNKNOWN = st.just((0.0, 0))
DEFAULTS = st.builds(VariancePrior, st.floats(1e-8, 1), st.floats(0.5, 10))


def simulated(groups: int, size: int, degrees: float, variance: float, seed: int = 1) -> list[list[float]]:
    """Return samples whose variances are scaled inverse chi-square with `degrees` degrees of freedom."""
    draw = random.Random(seed)
    samples = []
    for _ in range(groups):
        own = variance * degrees / draw.gammavariate(degrees / 2, 2)
        samples.append([draw.gauss(1.5, own**0.5) for _ in range(size)])
    return samples


def fit_prior(samples: Sequence[Sequence[float]]) -> VariancePrior:
    return fit_variances(map(variance_of, samples))


def test_the_prior_of_simulated_cases_is_recovered() -> None:
    prior = fit_prior(simulated(groups=4000, size=4, degrees=6, variance=1e-4))
    assert prior.variance == pytest.approx(1e-4, rel=0.1)
    assert prior.degrees == pytest.approx(6, rel=0.2)


def test_equal_variances_give_the_strongest_prior() -> None:
    draw = random.Random(1)
    same = [[draw.gauss(0, 0.01) for _ in range(4)] for _ in range(2000)]
    prior = fit_prior(same)
    assert prior.degrees == MAX_DEGREES
    assert prior.variance == pytest.approx(1e-4, rel=0.1)


def test_the_prior_is_weak_if_variances_differ_much() -> None:
    assert fit_prior(simulated(groups=500, size=6, degrees=0.8, variance=1e-4)).degrees < 2


@pytest.mark.parametrize("samples", [[], [[0.1]], [[0.1], [0.2]], [[0.1, 0.2]], [[0.1, 0.1], [0.2, 0.2]]])
def test_single_or_equal_invocations_give_no_prior(samples: list[list[float]]) -> None:
    assert fit_prior(samples) == NO_PRIOR


@given(VALUES)
def test_sum_of_squares(values: list[float]) -> None:
    assert sum_of_squares(values) == pytest.approx(statistics.variance(values) * (len(values) - 1), abs=1e-12)


@given(st.lists(VALUES, min_size=2, max_size=20), st.floats(-5, 5))
def test_a_slower_machine_has_the_same_prior(samples: list[list[float]], shift: float) -> None:
    before = fit_prior(samples)
    after = fit_prior([[value + shift for value in sample] for sample in samples])
    assert after.variance == pytest.approx(before.variance, rel=1e-3)
    assert after.degrees == pytest.approx(before.degrees, rel=1e-3)


def test_the_rounding_of_equal_values_is_ignored() -> None:
    apart = [[0.0, 1.0], [0.0, 1.0]]
    assert fit_prior([*apart, [0.7, 0.7, 0.7]]) == fit_prior(apart)


def test_the_common_variance_is_recovered_and_as_well_known_as_it_says() -> None:
    """With three values a case, as with three stored runs, and eight cases."""
    logs = []
    for seed in range(400):
        common = fit_common(map(variance_of, simulated(8, 3, degrees=4, variance=1e-4, seed=seed)), alike=4)
        logs.append(math.log(common.variance / 1e-4))
    assert statistics.fmean(logs) == pytest.approx(0, abs=4 * statistics.stdev(logs) / 20)
    stated = polygamma(1, common.degrees / 2)
    assert statistics.variance(logs) == pytest.approx(stated, rel=0.3)


def test_without_variances_nothing_is_common() -> None:
    assert fit_common([(0.0, 2), (1e-4, 0)], alike=4) == NO_PRIOR


@given(VALUES)
def test_the_variance_of_values_has_one_degree_of_freedom_less(values: list[float]) -> None:
    variance, degrees = variance_of(values)
    assert variance == pytest.approx(statistics.variance(values), abs=1e-12)
    assert degrees == len(values) - 1
    assert variance_of(values[:1]) == variance_of([]) == (0, 0)


@given(st.lists(KNOWN, max_size=FEW - 1), st.lists(UNKNOWN), DEFAULTS)
def test_few_variances_widen_the_default_and_never_narrow_it(
    known: list[tuple[float, int]], unknown: list[tuple[float, int]], default: VariancePrior
) -> None:
    prior = prior_of([*known, *unknown], default)
    assert prior == VariancePrior(max(default.variance, fit_variances(known).variance), default.degrees)
    assert prior.variance >= default.variance


@given(st.lists(KNOWN, min_size=FEW, max_size=20), DEFAULTS)
def test_enough_variances_replace_the_default(known: list[tuple[float, int]], default: VariancePrior) -> None:
    assert prior_of(known, default) == fit_variances(known)


def test_few_wide_variances_widen_the_default() -> None:
    wide = [(0.02, 2), (0.04, 2)]
    assert prior_of(wide, VariancePrior(1e-4, 4)) == VariancePrior(fit_variances(wide).variance, 4)


def test_enough_small_variances_narrow_the_default() -> None:
    quiet = [variance_of(sample) for sample in simulated(groups=FEW, size=4, degrees=6, variance=0.001**2)]
    assert prior_of(quiet, VariancePrior(0.03**2, 4)).variance < 0.003**2


@pytest.mark.parametrize("variances", [[], [(0.0, 0)] * 10, [(0.0, 2)] * 10], ids=["none", "singles", "equal"])
def test_samples_without_information_leave_the_default(variances: list[tuple[float, float]]) -> None:
    assert prior_of(variances, VariancePrior(1e-4, 4)) == VariancePrior(1e-4, 4)


def test_variances_may_come_from_an_iterator() -> None:
    known = [variance_of(sample) for sample in simulated(groups=10, size=4, degrees=6, variance=1e-4)]
    assert prior_of(iter(known), VariancePrior(1e-4, 4)) == fit_variances(known)
