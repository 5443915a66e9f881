"""Every slot of a session is kept, agrees with the samples that are judged, and stays out of stored baselines."""

import math
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.judge.statistics import midmean
from perf.measure.outcome import Outcome
from perf.measure.plan import Operator, Plan, Variant, Workload
from perf.measure.results import Block, Invocation, Slot, WorkloadResult
from perf.runs.acceptance import sound
from perf.runs.session.slots import InvocationSlots, slots_of, without_slots
from tests.support.factories import document
from tests.support.fakes import build

NANOSECONDS = st.integers(10**3, 10**12)
BLOCKS = st.lists(st.tuples(NANOSECONDS, NANOSECONDS, st.booleans()), min_size=1, max_size=6)
RELU = Operator("relu", {}, ("data",))


def invocation(blocks: list[tuple[int, int, bool]], *, disturbed: bool = False) -> Invocation:
    """Return an invocation of the variants a and b; every block with whether it is disturbed."""
    made = tuple(Block({"a": Slot(((a,),), None), "b": Slot(((b,),), None)}, was) for a, b, was in blocks)
    return Invocation(made, {}, {}, elapsed_s=4.4444, disturbed=disturbed)


def outcome(screened: list[Invocation], confirmed: list[Invocation] | None = None) -> Outcome:
    """Return what was measured of the case b over a."""
    variants = (Variant("a", build(), RELU), Variant("b", build(), RELU, ("a",)))
    plan = Plan("net", variants, (Workload("net-b1", {}, 1, 1.0),), "a", family="made")
    screening, confirmation = (WorkloadResult(tuple(made), {}) for made in (screened, confirmed or []))
    return Outcome(plan, Mock(variant="b"), screening, confirmation, check=Mock())


@given(st.lists(st.tuples(BLOCKS, st.booleans()), max_size=4))
def test_they_give_the_samples_that_are_judged(made: list[tuple[Any, bool]]) -> None:
    measured = outcome([invocation(blocks, disturbed=was) for blocks, was in made])
    typical = [midmean(logs) for logs in measured.whole.undisturbed.log_ratios("a", "b") if logs]
    kept = [
        [log for number, log in enumerate(one.log_ratios("a", "b"), start=1) if number not in one.disturbed_blocks]
        for one in slots_of(measured)
        if not one.disturbed
    ]
    assert [midmean([log for log in logs if log is not None]) for logs in kept if logs] == pytest.approx(
        typical, abs=1e-4
    )


def test_confirmations_follow_and_lack_what_they_did_not_measure() -> None:
    screened = invocation([(3000, 1000, True)])
    alone = Invocation((Block({"b": Slot(((500,),), None)}),), {}, {})
    first, second = slots_of(outcome([screened], [alone]))
    assert first == InvocationSlots(False, False, 4.44, [1], {"b": [1e-6], "a": [3e-6]})
    assert second == InvocationSlots(True, False, 0.0, [], {"b": [5e-7]})
    assert second.log_ratios("a", "b") == []


def test_a_block_without_a_slot_keeps_its_place() -> None:
    blocks = (Block({"b": Slot(((500,),), None)}), Block({"a": Slot(((1000,),), None), "b": Slot(((500,),), None)}))
    (only,) = slots_of(outcome([Invocation(blocks, {}, {})]))
    assert only.latencies_s["a"] == [None, 1e-6]
    assert only.log_ratios("a", "b") == [None, pytest.approx(math.log(2))]


def test_stored_baselines_leave_them_out() -> None:
    run = document()
    plain = sound(run, Path("run.json"))
    for entry in run["benchmarks"]:
        slots = [InvocationSlots(False, False, 1.0, [], {"mkl-fp32": [0.1]})]
        entry["extra_info"]["slots"] = msgspec.to_builtins(slots)
    assert sound(run, Path("run.json")) == plain
    assert all("slots" in entry["extra_info"] for entry in run["benchmarks"]), "the session's own run keeps them"
    assert [without_slots(entry) for entry in run["benchmarks"]] == plain["benchmarks"]
