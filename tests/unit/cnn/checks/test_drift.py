"""Drift of logits: known values, and properties of all logits."""

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

# Without subnormal numbers, which lose bits when they are halved.
FINITE = st.floats(-8, 8, width=32, allow_subnormal=False)
LOGITS = arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(2, 5)), elements=FINITE)


def test_known_values() -> None:
    exact = np.array([[3.0, 4.0], [0.0, 1.0]])
    drift = drift_of(exact, np.array([[3.0, 4.0], [1.0, 0.0]]))
    assert (drift.top1_agreement, drift.cosine) == (0.5, 0.0)
    assert drift.sqnr_db == pytest.approx(10 * math.log10(26 / 2))
    assert drift.largest_error == pytest.approx(1 / exact.std())


@given(LOGITS)
def test_equal_outputs_have_no_drift(logits: np.ndarray) -> None:
    drift = drift_of(logits, logits)
    assert (drift.top1_agreement, drift.sqnr_db, drift.largest_error) == (1, EXACT_DB, 0)
    assert drift.cosine == pytest.approx(1)


@given(LOGITS, st.sampled_from([0.25, 0.5, 2.0, 4.0]))
def test_scaling_both_outputs_does_not_change_the_ratio(logits: np.ndarray, factor: float) -> None:
    rough = np.round(logits)
    assert sqnr_db(logits * factor, rough * factor) == pytest.approx(sqnr_db(logits, rough))


def test_different_shapes_and_no_images_are_refused() -> None:
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
        ({"sqnr_db": 19.4}, "SQNR of the outputs is 19.4 dB, below 19.5 dB"),
        ({"top1_agreement": 0.75}, "top-1 agreement is 75.0%, below 80.0%"),
        ({"cosine": 0.9}, "cosine similarity is 0.9000, below 0.9800"),
        ({"largest_error": 0.7}, "largest error is 0.70 standard deviations, above 0.60"),
        ({"sqnr_db": math.nan}, "SQNR of the outputs is nan dB, below 19.5 dB"),
    ],
)
def test_each_figure_beyond_its_bound_is_reported(worse: dict[str, float], problem: str) -> None:
    assert drift_problems(msgspec.structs.replace(STORED, **worse), BOUNDS) == [problem]


def test_layers_that_are_better_worse_lost_or_new_have_changed() -> None:
    stored = {"a": 30.0, "b": 30.0, "c": 30.0, "d": 30.0, "lost": 30.0}
    layers = {"a": 30.9, "b": 31.1, "c": 28.9, "d": math.nan, "new": 30.0}
    assert changed_layers(layers, stored, 1.0) == ["b", "c", "d", "new", "lost"]
