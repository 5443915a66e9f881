"""Which layers account for a change."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.profile.accounting import change_of, culprits_of, ranked
from perf.runs.explanation import LayerTime, TimeChange

MS = st.floats(-1e3, 1e3)


def layer(name: str, ms: float, half: float = 0.01, *, facts: tuple[str, ...] = ()) -> LayerTime:
    return LayerTime(name, "conv", (), 1.0, 1.0 - ms, TimeChange(ms, ms - half, ms + half), facts)


def names(layers: list[LayerTime], whole: TimeChange) -> list[str]:
    ordered = ranked(layers, whole)
    return [each.name for each in ordered[: culprits_of(ordered, whole)]]


WHOLE = TimeChange(1.0, 0.9, 1.1)


def test_the_interval_is_that_of_students_t() -> None:
    change = change_of([1.0, 2.0, 3.0])
    assert change.ms == pytest.approx(2.0)
    assert change.high_ms == pytest.approx(2.0 + 4.302653 / 3**0.5)
    assert change_of([1.0]) == TimeChange(1.0, None, None)


def test_a_change_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="no differences"):
        change_of([])


@given(st.lists(MS, min_size=2, max_size=6))
def test_the_estimate_lies_in_its_interval(values: list[float]) -> None:
    change = change_of(values)
    assert change.low_ms is not None
    assert change.high_ms is not None
    assert change.low_ms <= change.ms <= change.high_ms
    assert abs(change.certain_ms) <= abs(change.ms) + 1e-9


def test_layers_are_named_until_nine_tenths_are_accounted_for() -> None:
    layers = [layer("a", 0.3), layer("b", 0.65), layer("c", 0.04), layer("d", 0.01)]
    assert names(layers, WHOLE) == ["b", "a"]


def test_a_layer_that_runs_in_another_way_precedes_a_noisy_one() -> None:
    layers = [layer("noisy", 0.9, half=2.0), layer("kernel", 0.8, half=2.0, facts=("kernel: a -> b",))]
    assert names(layers, WHOLE) == ["kernel"]


def test_what_became_faster_is_no_culprit_of_a_loss() -> None:
    assert names([layer("faster", -0.5), layer("slower", 1.5)], WHOLE) == ["slower"]


def test_a_gain_has_culprits_too() -> None:
    assert names([layer("a", -0.95), layer("b", 0.1)], TimeChange(-1.0, -1.1, -0.9)) == ["a"]


def test_noise_has_no_culprits() -> None:
    assert names([layer("a", 0.2), layer("b", 0.1)], TimeChange(0.3, -0.2, 0.8)) == []


def test_what_runs_in_another_way_precedes_what_does_not() -> None:
    layers = [layer("same", 0.9), layer("opposite", -0.1, facts=("kernel",)), layer("other", 0.1, facts=("kernel",))]
    assert [each.name for each in ranked(layers, WHOLE)] == ["other", "opposite", "same"]
    assert culprits_of(ranked(layers, WHOLE), WHOLE) == 3


def test_a_verdict_establishes_a_change_that_few_profiled_passes_leave_uncertain() -> None:
    uncertain = TimeChange(1.0, -0.1, 2.1)
    assert culprits_of([layer("a", 0.95)], uncertain) == 0
    assert culprits_of([layer("a", 0.95)], uncertain, established=1) == 1


def test_passes_that_show_the_opposite_of_a_verdict_name_no_culprit() -> None:
    faster = TimeChange(-1.0, -3.0, 1.0)
    assert culprits_of([layer("a", -0.95)], faster, established=1) == 0
    assert culprits_of([layer("a", -0.95)], faster, established=-1) == 1
    assert culprits_of([layer("a", -0.95, facts=("kernel: a -> b",))], faster, established=1) == 1
