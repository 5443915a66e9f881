"""The model of the projection: fits recover its parameters, and more ranks never help."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.judge.projection import (
    LINKS_BITS_PER_S,
    AllreduceCost,
    MeasuredTraining,
    Ring,
    TrainingJob,
    fit_ring,
    project,
)

SIZES = [4096, 65536, 1048576, 16777216, 67108864]
latencies = st.floats(1e-6, 1e-2)
costs = st.floats(1e-12, 1e-7)
rings = st.builds(Ring, latencies, costs)


@given(rings, st.sets(st.integers(2, 64), min_size=1, max_size=3))
def test_a_ring_is_recovered_from_its_own_times(ring: Ring, counts: set[int]) -> None:
    fitted = fit_ring([AllreduceCost(n, size, ring.allreduce_s(n, size)) for n in counts for size in SIZES])
    for ranks in (2, 64):
        for size in SIZES:
            assert fitted.allreduce_s(ranks, size) == pytest.approx(ring.allreduce_s(ranks, size), rel=1e-5)


@given(rings, st.floats(1e3, 1e9), st.integers(1, 100))
def test_one_more_rank_costs_more(ring: Ring, size: float, ranks: int) -> None:
    assert ring.allreduce_s(1, size) == 0
    assert ring.allreduce_s(ranks + 1, size) > ring.allreduce_s(ranks, size)


links = st.floats(1e6, 1e12)


@given(rings, links)
def test_the_cost_of_a_link_is_added_to_that_of_hosts(ring: Ring, bits_per_s: float) -> None:
    linked = ring.over_link(bits_per_s)
    assert linked.cost_s_per_byte == ring.cost_s_per_byte + 8 / bits_per_s
    assert linked.latency_s == ring.latency_s


@given(rings, links, links)
def test_a_link_replaces_the_one_that_was_measured(ring: Ring, measured: float, other: float) -> None:
    over = ring.over_link(measured)
    assert over.over_link(other, measured).cost_s_per_byte == pytest.approx(ring.over_link(other).cost_s_per_byte)
    assert ring.over_link(other, measured).cost_s_per_byte >= 8 / other


def test_ten_gigabit_computed_by_hand() -> None:
    ring = Ring(0.0, 0.0).over_link(10e9)
    assert ring.allreduce_s(2, 100e6) == pytest.approx(0.08)
    assert ring.allreduce_s(32, 100e6) == pytest.approx(2 * 31 / 32 * 0.08)


@given(rings, st.floats(0.1, 10), st.floats(1, 1.5), st.floats(0, 3))
def test_the_model_reproduces_the_measurement_it_was_fitted_to(
    ring: Ring, alone_s: float, slower: float, exposed_share: float
) -> None:
    exposed_s = exposed_share * ring.allreduce_s(2, 5e7)
    training = MeasuredTraining(alone_s, alone_s * slower, alone_s * slower + exposed_s, 2, 5e7)
    efficiency = training.efficiency(ring, 2, training.overlap(ring))
    assert efficiency == pytest.approx(alone_s / training.step_s, rel=1e-9)


@given(rings, st.floats(-1, 1))
def test_the_hidden_fraction_lies_between_0_and_1(ring: Ring, exposed_s: float) -> None:
    overlap = MeasuredTraining(1.0, 1.0, 1.0 + exposed_s, 2, 5e7).overlap(ring)
    assert 0 <= overlap.hidden_fraction <= 1
    assert overlap.rest_s >= 0
    assert overlap.hidden_fraction == 0 or overlap.rest_s == 0


@pytest.mark.parametrize("sizes_by_ranks", [[(2, 1024)], [(2, 1024), (4, 1024)], [(1, 1024), (1, 2048)]])
def test_one_size_or_one_rank_is_too_little_for_a_ring(sizes_by_ranks: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="two sizes and two ranks"):
        fit_ring([AllreduceCost(ranks, size, 1e-3) for ranks, size in sizes_by_ranks])


# The projection of measured jobs

RING = Ring(1e-4, 1e-9)


def job(ranks: int, step_s: float, link_bits_per_s: float = math.inf) -> TrainingJob:
    """Return a job whose allreduces cost what `RING` says, and of whose step a tenth is exposed communication."""
    ring = RING if math.isinf(link_bits_per_s) else RING.over_link(link_bits_per_s)
    allreduce_s = {size: ring.allreduce_s(ranks, size) for size in SIZES} if ranks > 1 else {}
    return TrainingJob(ranks, step_s, 0.1 if ranks > 1 else 0.0, 5e7, allreduce_s, link_bits_per_s)


@pytest.mark.parametrize("jobs", [[], [job(1, 1.0)], [job(2, 1.0)]], ids=["none", "one rank", "two ranks"])
def test_a_place_without_one_rank_and_more_has_no_projection(jobs: list[TrainingJob]) -> None:
    assert project({"this host": jobs}, [2, 4]) is None


def test_up_to_the_ranks_of_this_host_the_projection_is_the_measurement() -> None:
    projection = project({"this host": [job(1, 1.0), job(2, 1.25)]}, [2, 32])
    assert projection is not None
    assert projection.checks == {}
    for efficiency in projection.efficiency.values():
        assert efficiency[2] == pytest.approx(1.0 / 1.25)
    slow, fast = (projection.efficiency[link][32] for link in LINKS_BITS_PER_S)
    assert slow < fast < 1.0 / 1.25


def test_jobs_elsewhere_are_predicted_and_do_not_change_the_fit_of_this_host() -> None:
    here = [job(1, 1.0), job(2, 1.25)]
    projection = project({"this host": here, "emulated hosts": [job(1, 1.0), job(2, 1.5, 10e9)]}, [2, 32])
    alone = project({"this host": here}, [2, 32])
    assert projection is not None
    assert alone is not None
    ((place, (measured, predicted)),) = projection.checks.items()
    assert place == "2 ranks, emulated hosts"
    assert measured == pytest.approx(1.0 / 1.5)
    assert predicted < 1.0 / 1.25
    for link in LINKS_BITS_PER_S:
        assert projection.efficiency[link][32] == pytest.approx(alone.efficiency[link][32])
