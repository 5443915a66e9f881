"""Speedups and their intervals: known values, symmetries, and how often the interval contains the truth."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from perf.judge.speedup import Estimate, Floors, ObservedRatio, estimate_speedup, observe
from perf.judge.variance_prior import NO_PRIOR, VariancePrior
from perf.measure.results import Block, Invocation, Slot, WorkloadResult

Latencies = list[list[tuple[int, int]]]

NANOSECONDS = st.integers(10**5, 10**10)
BLOCKS = st.lists(st.tuples(NANOSECONDS, NANOSECONDS), min_size=1, max_size=4)
LATENCIES = st.lists(BLOCKS, min_size=1, max_size=4)
SECONDS = st.floats(1e-4, 10)
FLOORS = st.lists(st.tuples(SECONDS, SECONDS), min_size=1, max_size=6)
OBSERVED = st.builds(ObservedRatio, st.floats(-5, 5), st.floats(1e-9, 0.1), st.integers(1, 8))
PRIORS = st.builds(VariancePrior, st.floats(1e-6, 0.1), st.floats(0.5, 10))


def measured(latencies: Latencies, reference: str = "native", variant: str = "mkl", scale: int = 1) -> ObservedRatio:
    """Return the ratio of (native, mkl) latencies in ns, a list of blocks for each invocation."""
    invocations = [
        tuple(
            Block(
                {
                    "native": Slot(((native * scale,),), lost_share=0.0),
                    "mkl": Slot(((mkl * scale,),), lost_share=0.0),
                }
            )
            for native, mkl in blocks
        )
        for blocks in latencies
    ]
    result = WorkloadResult(tuple(Invocation(blocks, {}, {}) for blocks in invocations), {})
    return observe(result.floors(reference, variant))


def bounds(estimate: Estimate) -> tuple[float, float]:
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.low, estimate.high


# The fastest slots


def test_twice_as_fast_is_two() -> None:
    assert estimate_speedup(measured([[(200, 100)], [(2000, 1000)]])).speedup == pytest.approx(2)


@settings(deadline=None)  # the cores are shared
@given(LATENCIES)
def test_the_speedup_is_that_of_the_fastest_slots_of_all_invocations(latencies: Latencies) -> None:
    native, mkl = (min(block[which] for blocks in latencies for block in blocks) for which in (0, 1))
    observed = measured(latencies)
    assert observed.log_ratio == pytest.approx(math.log(native / mkl), abs=1e-9)
    assert observed.invocations == len(latencies)
    assert observed.degrees == len(latencies) - 1


@settings(deadline=None)
@given(LATENCIES, st.integers(2, 1000))
def test_a_uniformly_slower_machine_has_the_same_speedup(latencies: Latencies, scale: int) -> None:
    plain, slower = measured(latencies), measured(latencies, scale=scale)
    assert slower.log_ratio == pytest.approx(plain.log_ratio, abs=1e-9)
    assert slower.variance == pytest.approx(plain.variance, abs=1e-9)


@settings(deadline=None)
@given(LATENCIES)
def test_swapped_roles_mirror_the_ratio(latencies: Latencies) -> None:
    one, other = measured(latencies), measured(latencies, "mkl", "native")
    assert other.log_ratio == pytest.approx(-one.log_ratio, abs=1e-12)
    assert other.variance == pytest.approx(one.variance, abs=1e-12)


@settings(deadline=None)
@given(LATENCIES, st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), min_size=1, max_size=4))
def test_slower_slots_never_move_the_speedup(latencies: Latencies, delays: list[tuple[int, int]]) -> None:
    native, mkl = (min(block[which] for blocks in latencies for block in blocks) for which in (0, 1))
    slower = [(native + a, mkl + b) for a, b in delays]
    for disturbed in ([*latencies, slower], [[*latencies[0], *slower], *latencies[1:]]):
        assert measured(disturbed).log_ratio == measured(latencies).log_ratio


def test_one_invocation_has_no_known_variance() -> None:
    observed = observe([(0.2, 0.1)])
    assert observed.variance == pytest.approx(0, abs=1e-18)
    assert observed.degrees == 0


@given(st.tuples(SECONDS, SECONDS), st.integers(2, 6))
def test_equal_invocations_have_no_variance(floors: Floors, count: int) -> None:
    assert observe([floors] * count).variance == pytest.approx(0, abs=1e-18)


@pytest.mark.parametrize(
    "floors",
    [
        [(1.0, 0.2), (1.1, 0.2)],
        [(1.0, 0.2), (1.02, 0.21), (1.3, 0.2)],
        [(1.2, 0.25), (1.0, 0.21), (1.1, 0.2)],
        [(1.0, 0.2), (1.1, 0.22), (1.2, 0.2), (1.05, 0.21)],
    ],
    ids=str,
)
def test_the_variance_is_that_of_the_bootstrap_over_all_resamples(floors: list[Floors]) -> None:
    ratios = [
        math.log(min(a for a, _ in drawn) / min(b for _, b in drawn))
        for drawn in itertools.product(floors, repeat=len(floors))
    ]
    assert observe(floors).variance == pytest.approx(np.var(ratios) * len(floors), rel=0.3)


def test_a_pace_that_only_one_invocation_reached_is_less_certain() -> None:
    alone = observe([(1.0, 0.20), (1.0, 0.21), (1.0, 0.21), (1.0, 0.21)])
    together = observe([(1.0, 0.20), (1.0, 0.20), (1.0, 0.20), (1.0, 0.21)])
    assert alone.log_ratio == together.log_ratio
    assert alone.variance > 10 * together.variance


@settings(deadline=None)
@given(FLOORS)
def test_the_same_session_is_observed_the_same(floors: list[Floors]) -> None:
    assert observe(list(floors)) == observe(floors)


def test_a_speedup_without_invocations_is_refused() -> None:
    with pytest.raises(ValueError, match="no invocations"):
        observe([])


# Intervals


@given(OBSERVED.filter(lambda observed: observed.degrees > 0))
def test_the_interval_without_a_prior_is_students_t(observed: ObservedRatio) -> None:
    estimate = estimate_speedup(observed)
    half = stats.t.ppf(0.975, observed.invocations - 1) * math.sqrt(observed.variance / observed.invocations)
    assert estimate.speedup == pytest.approx(math.exp(observed.log_ratio))
    assert estimate.half_width == pytest.approx(half, rel=1e-6)
    assert estimate.invocations == observed.invocations


@given(OBSERVED, PRIORS)
def test_a_prior_counts_for_its_degrees_of_freedom(observed: ObservedRatio, prior: VariancePrior) -> None:
    degrees = prior.degrees + observed.invocations - 1
    squares = prior.degrees * prior.variance + (observed.invocations - 1) * observed.variance
    squared = squares / degrees / observed.invocations
    error = observed.moderated(prior)
    assert (error.variance, error.degrees) == pytest.approx((squared, degrees))
    half = stats.t.ppf(0.975, degrees) * math.sqrt(squared)
    assert estimate_speedup(observed, prior).half_width == pytest.approx(half, rel=1e-6)


@given(OBSERVED, PRIORS)
def test_a_prior_never_moves_the_speedup(observed: ObservedRatio, prior: VariancePrior) -> None:
    assert estimate_speedup(observed, prior).speedup == estimate_speedup(observed).speedup


@given(OBSERVED, st.just(NO_PRIOR) | PRIORS)
def test_the_speedup_lies_in_the_middle_of_its_interval(observed: ObservedRatio, prior: VariancePrior) -> None:
    estimate = estimate_speedup(observed, prior)
    if estimate.low is not None and estimate.high is not None and estimate.half_width < 100:
        assert estimate.low <= estimate.speedup <= estimate.high
        assert math.log(estimate.low) + math.log(estimate.high) == pytest.approx(
            2 * math.log(estimate.speedup), abs=1e-9
        )


def test_one_invocation_without_a_prior_allows_no_interval() -> None:
    estimate = estimate_speedup(observe([(0.3, 0.1)]))
    assert estimate.speedup == pytest.approx(3)
    assert (estimate.low, estimate.high, estimate.half_width) == (None, None, math.inf)
    assert observe([(0.3, 0.1)]).moderated(NO_PRIOR) == NO_PRIOR


def test_one_invocation_has_the_interval_of_the_prior() -> None:
    estimate = estimate_speedup(observe([(0.3, 0.1)]), VariancePrior(0.1**2, 4))
    assert estimate.half_width == pytest.approx(2.776445 * 0.1, rel=1e-6)  # t(0.975, 4 degrees of freedom)


@pytest.mark.parametrize(("invocations", "degrees"), [(3, 0), (1, 4), (3, 4)])
def test_the_interval_contains_the_truth_95_times_in_100(invocations: int, degrees: int) -> None:
    luck = np.random.default_rng(20190713)
    prior, truth, runs, held = VariancePrior(0.03**2, degrees), math.log(9.32), 3000, 0
    for _ in range(runs):
        own = 0.03 * math.sqrt(degrees / luck.chisquare(degrees)) if degrees else 0.03
        ratios = luck.normal(truth, own, invocations)
        variance = float(np.var(ratios, ddof=1)) if invocations > 1 else 0.0
        low, high = bounds(estimate_speedup(ObservedRatio(float(np.mean(ratios)), variance, invocations), prior))
        held += low <= math.exp(truth) <= high
    assert held / runs == pytest.approx(0.95, abs=0.012)  # three standard errors of such a fraction


@pytest.mark.parametrize("busy", [0.0, 0.3])
def test_neighbours_that_slow_one_build_move_the_fastest_slots_little_and_the_median_much(busy: float) -> None:
    luck = np.random.default_rng(20190713)
    fastest, middle = [], []
    for _ in range(200):
        delays = luck.exponential(0.02, (4, 10, 2)) + busy * luck.integers(0, 2, (4, 10, 1)) * [1.0, 0.1]
        latencies = np.array([1.0, 0.2]) * (1 + delays)
        fastest.append(observe([(float(a), float(b)) for a, b in latencies.min(axis=1)]).log_ratio)
        middle.append(float(np.median(np.log(latencies[..., 0] / latencies[..., 1]))))
    assert np.mean(fastest) == pytest.approx(math.log(5), abs=0.005)
    assert abs(np.mean(middle) - math.log(5)) >= busy / 10
