"""Speedups and their intervals: known values, symmetries, and how often the interval holds the truth."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from perf.judge.speedup import Estimate, estimate_speedup
from perf.measure.results import Block, Invocation, Slot, WorkloadResult

Latencies = list[list[tuple[int, int]]]

NANOSECONDS = st.integers(10**5, 10**10)
BLOCKS = st.lists(st.tuples(NANOSECONDS, NANOSECONDS), min_size=1, max_size=4)
LATENCIES = st.lists(BLOCKS, min_size=1, max_size=4)


def estimate(latencies: Latencies, reference: str = "native", variant: str = "mkl", scale: int = 1) -> Estimate:
    """The speedup from (native, mkl) latencies in ns, a list of blocks for each invocation."""
    invocations = [
        tuple(
            Block(
                {
                    "native": Slot(((native * scale,),), quiet=True, lost_share=0.0),
                    "mkl": Slot(((mkl * scale,),), quiet=True, lost_share=0.0),
                }
            )
            for native, mkl in blocks
        )
        for blocks in latencies
    ]
    result = WorkloadResult(tuple(Invocation(blocks, {}, {}) for blocks in invocations), {})
    return estimate_speedup(result.log_ratios(reference, variant))


def bounds(found: Estimate) -> tuple[float, float]:
    assert found.low is not None
    assert found.high is not None
    return found.low, found.high


def test_twice_as_fast_is_two() -> None:
    assert estimate([[(200, 100)], [(2000, 1000)]]).speedup == pytest.approx(2)


@settings(deadline=None)  # the cores are shared
@given(st.lists(st.integers(-5000, 5000).map(lambda n: n / 1000), min_size=2, max_size=8, unique=True))
def test_interval_is_students_over_invocations(means: list[float]) -> None:
    found = estimate_speedup([[mean - 0.1, mean + 0.1] for mean in means])
    expected = stats.t.interval(0.95, len(means) - 1, loc=np.mean(means), scale=stats.sem(means))
    assert found.speedup == pytest.approx(stats.gmean(np.exp(means)))
    assert bounds(found) == pytest.approx([math.exp(bound) for bound in expected])
    assert found.half_width == pytest.approx((expected[1] - expected[0]) / 2)
    assert (found.level, found.observations) == ("invocations", len(means))


def test_interval_of_three_invocations_is_the_textbooks() -> None:
    found = estimate_speedup([[math.log(7)], [math.log(8)], [math.log(9)]])
    half = 4.302653 * np.std(np.log([7, 8, 9]), ddof=1) / math.sqrt(3)  # t(0.975, 2 degrees of freedom)
    assert found.half_width == pytest.approx(half, rel=1e-6)


@settings(deadline=None)
@given(LATENCIES, st.integers(2, 1000))
def test_a_machine_slower_throughout_has_the_same_speedup(latencies: Latencies, scale: int) -> None:
    plain, slower = estimate(latencies), estimate(latencies, scale=scale)
    assert slower.speedup == pytest.approx(plain.speedup)
    assert slower.half_width == pytest.approx(plain.half_width, abs=1e-9)


@settings(deadline=None)
@given(LATENCIES)
def test_swapped_roles_mirror_the_estimate(latencies: Latencies) -> None:
    one, other = estimate(latencies), estimate(latencies, "mkl", "native")
    assert math.log(other.speedup) == pytest.approx(-math.log(one.speedup), abs=1e-9)
    assert (one.level, one.observations) == (other.level, other.observations)
    if one.low is not None and other.high is not None and one.half_width < 100:
        assert math.log(other.high) == pytest.approx(-math.log(one.low), abs=1e-9)


@settings(deadline=None)
@given(LATENCIES)
def test_the_speedup_lies_in_the_middle_of_its_interval(latencies: Latencies) -> None:
    found = estimate(latencies)
    if found.low is not None and found.high is not None and found.half_width < 100:
        assert found.low <= found.speedup * (1 + 1e-9)
        assert math.log(found.low) + math.log(found.high) == pytest.approx(2 * math.log(found.speedup), abs=1e-9)


def test_one_invocation_is_judged_by_its_blocks() -> None:
    found = estimate_speedup([[0.0, 1.0]])
    assert (found.level, found.observations) == ("blocks", 2)
    assert found.speedup == pytest.approx(math.exp(0.5))
    assert found.low is not None


def test_an_invocation_without_blocks_is_none() -> None:
    assert estimate_speedup([[], [0.0, 1.0], []]) == estimate_speedup([[0.0, 1.0]])


def test_invocations_weigh_the_same_however_many_blocks_they_have() -> None:
    assert estimate_speedup([[0.0], [1.0, 1.0, 1.0]]).speedup == pytest.approx(math.exp(0.5))


def test_one_block_allows_no_interval() -> None:
    found = estimate_speedup([[math.log(3)]])
    assert found.speedup == pytest.approx(3)
    assert (found.low, found.high, found.half_width) == (None, None, math.inf)


@pytest.mark.parametrize("nothing", [[], [[]], [[], []]])
def test_no_block_has_no_speedup(nothing: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="no blocks"):
        estimate_speedup(nothing)


@pytest.mark.parametrize(
    ("invocations", "blocks", "between"),
    [(3, 4, 0.1), (5, 2, 0.02), (1, 6, 0.0)],
)
def test_the_interval_holds_the_truth_95_times_in_100(invocations: int, blocks: int, between: float) -> None:
    luck = np.random.default_rng(20190713)
    truth, runs, held = math.log(9.32), 3000, 0
    for _ in range(runs):
        processes = truth + luck.normal(0, between, (invocations, 1))
        ratios = processes + luck.normal(0, 0.05, (invocations, blocks))
        low, high = bounds(estimate_speedup(ratios.tolist()))
        held += low <= math.exp(truth) <= high
    assert held / runs == pytest.approx(0.95, abs=0.012)  # three standard errors of such a share


def test_one_disturbed_block_moves_nothing() -> None:
    calm = [[0.69, 0.70, 0.71], [0.70, 0.71, 0.72], [0.68, 0.69, 0.70]]
    disturbed = [[0.69, 0.70, 3.0], *calm[1:]]
    assert estimate_speedup(disturbed) == estimate_speedup(calm)
