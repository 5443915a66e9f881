"""Chunks of work become a rate: interruptions lower none, and only times count at which all CPUs worked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.limits.rates import Chunks, best_rate, clock_ghz


def even(work: float, duration: float, count: int, start: float = 0.0) -> Chunks:
    stamps = [(start + n * duration, start + (n + 1) * duration) for n in range(count)]
    return Chunks(work, stamps, [3.0] * count)


def test_cpus_add_up() -> None:
    assert best_rate([even(100, 10, 5), even(100, 20, 3)]) == pytest.approx(15)


def test_an_interrupted_chunk_does_not_count() -> None:
    interrupted = Chunks(100, [(0, 10), (10, 60), (60, 70)], [])
    assert best_rate([interrupted]) == pytest.approx(10)


def test_a_fast_time_counts_only_while_all_cpus_work() -> None:
    fast_alone = Chunks(100, [(0, 1), (10, 20), (20, 30)], [])
    assert best_rate([fast_alone, even(100, 10, 2, start=10)]) == pytest.approx(20)


def test_cpus_that_never_worked_at_one_time_have_no_rate() -> None:
    assert best_rate([even(1, 1, 3), even(1, 1, 3, start=100)]) == 0
    assert best_rate([]) == 0
    assert best_rate([even(1, 1, 3), Chunks(1, [], [])]) == 0


@given(
    st.lists(st.lists(st.floats(1, 100), min_size=1, max_size=8), min_size=1, max_size=4),
    st.floats(1, 1000),
)
def test_the_rate_is_between_one_cpu_and_the_fastest_chunks_of_all(durations: list[list[float]], work: float) -> None:
    cpus = []
    for of_cpu in durations:
        ends = [sum(of_cpu[: n + 1]) for n in range(len(of_cpu))]
        cpus.append(Chunks(work, list(zip([0.0, *ends[:-1]], ends, strict=True)), []))
    rate = best_rate(cpus)
    assert rate <= sum(work / min(of_cpu) for of_cpu in durations) * (1 + 1e-6)
    assert rate >= sum(work / max(of_cpu) for of_cpu in durations) * (1 - 1e-6)


def test_the_clock_is_the_one_that_few_chunks_exceed() -> None:
    before_it_fell = Chunks(1, [], [3.6] + [2.8] * 20)
    interrupted = Chunks(1, [], [2.8] * 10 + [0.5] * 10)
    assert clock_ghz([before_it_fell, interrupted]) == pytest.approx(2.8)
    assert clock_ghz([]) is None
