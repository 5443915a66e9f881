"""Paired accuracies: examples computed by hand, and what is true for all counts."""

import random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from perf.judge.paired import PairedCounts

COUNTS = st.builds(PairedCounts, *[st.integers(0, 60)] * 4)


def test_without_disagreements_there_is_no_difference() -> None:
    counts = PairedCounts(490, 0, 0, 10)
    low, high = counts.interval()
    assert (counts.difference, counts.p_value) == (0, 1)
    assert low < 0 < high
    assert high < 0.02


def test_the_exact_mcnemar_test_computed_by_hand() -> None:
    # Eight disagreements, all in one direction: 2 / 2^8.
    assert PairedCounts(10, 8, 0, 10).p_value == pytest.approx(2 / 256)


@given(COUNTS)
def test_the_interval_contains_the_difference_and_stays_possible(counts: PairedCounts) -> None:
    assume(counts.examples)
    low, high = counts.interval()
    assert -1 - 1e-9 <= low <= counts.difference + 1e-9
    assert counts.difference - 1e-9 <= high <= 1 + 1e-9


@given(COUNTS)
def test_swapping_the_classifiers_reverses_the_difference(counts: PairedCounts) -> None:
    assume(counts.examples)
    swapped = PairedCounts(counts.both, counts.second_only, counts.first_only, counts.neither)
    low, high = counts.interval()
    assert swapped.interval() == pytest.approx((-high, -low), abs=1e-12)
    assert swapped.p_value == pytest.approx(counts.p_value)


def test_the_interval_covers_the_truth_about_as_often_as_stated() -> None:
    draw = random.Random(20190713)
    weights, n, trials = (0.94, 0.02, 0.015, 0.025), 500, 400
    covered = 0
    for _ in range(trials):
        outcomes = draw.choices(range(4), weights, k=n)
        low, high = PairedCounts(*(outcomes.count(kind) for kind in range(4))).interval()
        covered += low <= 0.005 <= high
    assert 0.92 * trials <= covered
