"""Turns, blocks and invocations as figures."""

import pytest

from perf.measure.results import Block, Invocation, Slot, WorkloadResult, merged


def slot(*passes: int, lost_share: float | None = None) -> Slot:
    return Slot((passes,), lost_share)


def result(*blocks: tuple[dict[str, Slot], bool], disturbed: bool = False) -> WorkloadResult:
    """One invocation; each block with whether it was disturbed."""
    made = tuple(Block(slots, was) for slots, was in blocks)
    return WorkloadResult((Invocation(made, {}, {}, disturbed=disturbed),), {})


def test_latency_is_the_mean_over_instances_of_each_ones_median() -> None:
    assert Slot(((1, 2, 9), (4, 4, 4)), None).latency_ns == 3.0


def test_a_single_turn_is_unchanged() -> None:
    one = slot(1, 2, lost_share=0.1)
    assert merged([one]) is one
    assert one.fastest_ns == one.latency_ns == 1.5


def test_turns_of_a_block_count_equally_whatever_their_numbers_of_passes() -> None:
    both = merged([slot(100, 100, 100, 100), slot(400)])
    assert both.latency_ns == pytest.approx(200.0), "the geometric mean; the median of all passes would be 100"
    assert both.fastest_ns == 100.0
    assert both.instances_ns == ((100, 100, 100, 100, 400),)


def test_turns_are_joined_by_instance_and_the_most_disturbed_one_counts() -> None:
    both = merged([Slot(((1,), (2,)), 0.01), Slot(((3,), (4,)), 0.2), Slot(((5,), (6,)), None)])
    assert both.instances_ns == ((1, 3, 5), (2, 4, 6))
    assert both.lost_share == 0.2
    assert merged([slot(1), slot(2)]).lost_share is None


def test_floors_are_the_fastest_turns_of_both_in_seconds() -> None:
    measured = result(
        ({"a": slot(3_000), "b": merged([slot(900), slot(500)])}, False),
        ({"a": slot(2_000), "b": slot(700)}, False),
        ({"b": slot(1)}, False),
    )
    assert measured.floors("a", "b") == [(2e-6, 5e-7)], "blocks without one of them say nothing of either"
    assert measured.floors("a", "c") == []


def test_disturbed_blocks_and_invocations_are_left_out() -> None:
    slots = {"a": slot(3_000), "b": slot(1_000)}
    faster = {"a": slot(2_000), "b": slot(10)}
    assert result((slots, False), (faster, True)).undisturbed.floors("a", "b") == [(3e-6, 1e-6)]
    assert result((slots, False), disturbed=True).undisturbed.floors("a", "b") == []
