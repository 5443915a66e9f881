"""Drift of logits: known values, and what holds for all."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from perf.cnn.checks.drift import (
    EXACT_DB,
    DriftMargins,
    changed_layers,
    drift_bounds,
    drift_of,
    drift_problems,
    sqnr_db,
)
from perf.facts import Drift

# Without subnormal numbers, of which halving loses bits.
FINITE = st.floats(-8, 8, width=32, allow_subnormal=False)
LOGITS = arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(2, 5)), elements=FINITE)


def test_known_values() -> None:
    exact = np.array([[3.0, 4.0], [0.0, 1.0]])
    found = drift_of(exact, np.array([[3.0, 4.0], [1.0, 0.0]]))
    assert (found.top1_agreement, found.cosine) == (0.5, 0.0)
    assert found.sqnr_db == pytest.approx(10 * math.log10(26 / 2))
    assert found.largest_error == pytest.approx(1 / exact.std())


@given(LOGITS)
def test_equal_outputs_do_not_drift(logits: np.ndarray) -> None:
    found = drift_of(logits, logits)
    assert (found.top1_agreement, found.sqnr_db, found.largest_error) == (1, EXACT_DB, 0)
    assert found.cosine == pytest.approx(1)


@given(LOGITS, st.sampled_from([0.25, 0.5, 2.0, 4.0]))
def test_scaling_both_changes_nothing(logits: np.ndarray, factor: float) -> None:
    rough = np.round(logits)
    assert sqnr_db(logits * factor, rough * factor) == pytest.approx(sqnr_db(logits, rough))


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        drift_of(np.zeros((2, 3)), np.zeros((3, 2)))
    with pytest.raises(ValueError, match="cannot be compared"):
        drift_of(np.zeros((0, 3)), np.zeros((0, 3)))


STORED = Drift(top1_agreement=0.9, sqnr_db=20.0, cosine=0.99, largest_error=0.4)
BOUNDS = drift_bounds(STORED, DriftMargins(0.5, 1.0, 0.1, 2.0, 1.5))


def test_bounds_are_worse_than_stored_by_the_margins() -> None:
    assert BOUNDS.top1_agreement == pytest.approx(0.8)
    assert BOUNDS.sqnr_db == pytest.approx(19.5)
    assert BOUNDS.cosine == pytest.approx(0.98)
    assert BOUNDS.largest_error == pytest.approx(0.6)
    assert drift_problems(STORED, BOUNDS) == drift_problems(BOUNDS, BOUNDS) == []


@pytest.mark.parametrize(
    ("worse", "problem"),
    [
        ({"sqnr_db": 19.4}, "SQNR of the outputs 19.4 dB, below 19.5 dB"),
        ({"top1_agreement": 0.75}, "top-1 agreement 75.0%, below 80.0%"),
        ({"cosine": 0.9}, "cosine similarity 0.9000, below 0.9800"),
        ({"largest_error": 0.7}, "largest error 0.70 standard deviations, over 0.60"),
        ({"sqnr_db": math.nan}, "SQNR of the outputs nan dB, below 19.5 dB"),
    ],
)
def test_each_figure_beyond_its_bound_is_told(worse: dict[str, float], problem: str) -> None:
    assert drift_problems(msgspec.structs.replace(STORED, **worse), BOUNDS) == [problem]


def test_a_layer_has_changed_either_way_or_when_it_is_lost_or_new() -> None:
    stored = {"a": 30.0, "b": 30.0, "c": 30.0, "d": 30.0, "lost": 30.0}
    found = {"a": 30.9, "b": 31.1, "c": 28.9, "d": math.nan, "new": 30.0}
    assert changed_layers(found, stored, 1.0) == ["b", "c", "d", "new", "lost"]
