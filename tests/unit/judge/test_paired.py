"""Paired accuracies: the published worked example, and what holds for all counts."""

import random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from perf.judge.paired import PairedCounts

COUNTS = st.builds(PairedCounts, *[st.integers(0, 60)] * 4)


def test_nothing_disagrees() -> None:
    found = PairedCounts(490, 0, 0, 10)
    low, high = found.interval()
    assert (found.difference, found.p_value) == (0, 1)
    assert low < 0 < high
    assert high < 0.02


def test_exact_mcnemar_by_hand() -> None:
    # Eight disagreements, all one way: 2 / 2^8.
    assert PairedCounts(10, 8, 0, 10).p_value == pytest.approx(2 / 256)


@given(COUNTS)
def test_the_interval_holds_the_difference_and_stays_possible(found: PairedCounts) -> None:
    assume(found.examples)
    low, high = found.interval()
    assert -1 - 1e-9 <= low <= found.difference + 1e-9
    assert found.difference - 1e-9 <= high <= 1 + 1e-9


@given(COUNTS)
def test_swapping_the_two_turns_the_difference_around(found: PairedCounts) -> None:
    assume(found.examples)
    swapped = PairedCounts(found.both, found.second_only, found.first_only, found.neither)
    low, high = found.interval()
    assert swapped.interval() == pytest.approx((-high, -low), abs=1e-12)
    assert swapped.p_value == pytest.approx(found.p_value)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    draw = random.Random(20190713)
    weights, n, trials = (0.94, 0.02, 0.015, 0.025), 500, 400
    covered = 0
    for _ in range(trials):
        outcomes = draw.choices(range(4), weights, k=n)
        low, high = PairedCounts(*(outcomes.count(kind) for kind in range(4))).interval()
        covered += low <= 0.005 <= high
    assert 0.92 * trials <= covered
