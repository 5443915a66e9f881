"""Measuring with stand-ins for workers: the order of blocks and turns, and what fails alone."""

import dataclasses
import random
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from perf.errors import WorkerError
from perf.machine import Placement
from perf.measure.engine import Conditions, _turns, measure
from perf.measure.journal import Journal
from perf.measure.ledger import Ledger
from perf.measure.plan import Operator, Plan, Variant, Workload
from perf.measure.results import Failure, Slot, WarmUp, WorkloadResult
from perf.measure.tiers import Effort, effort_of
from perf.measure.workers.runner import ProfiledSteps
from tests.support.fakes import PLACEMENTS, build

SMOKE = effort_of("smoke")

# A stand-in waits this long for all stand-ins: they are prepared within milliseconds.
WAIT_S = 60.0


def conditions(placements: tuple[Placement, ...], scratch: Path, effort: Effort = SMOKE) -> Conditions:
    journal = Journal(scratch / "journal", {})
    return Conditions(placements=placements, effort=effort, timeout_s=60, scratch=scratch, journal=journal)


class Stand:
    """Stands in for a runner: every pass takes 1000 ns. `prepare` waits until all stand-ins are there."""

    def __init__(self, variant: Variant[Any], stands: "Stands") -> None:
        self.name = variant.name
        self.stands = stands

    def close(self) -> None:
        self.hold()
        self.stands.closed.append(self.name)

    def hold(self) -> None:
        self.stands.running.discard(self.name)

    def release(self) -> None:
        self.stands.running.add(self.name)

    def prepare(self, workload: Workload) -> None:  # noqa: ARG002
        self.stands.together.wait(WAIT_S)
        if self.name in self.stands.broken:
            raise WorkerError("out of memory", "last lines")

    def warm_up(self, effort: Effort) -> WarmUp:  # noqa: ARG002
        return WarmUp(1, 1000, steady=True)

    def run(self, effort: Effort) -> Slot:  # noqa: ARG002
        assert self.stands.running == {self.name}
        return Slot(((1000,),), self.stands.lost_share)

    def finish(self) -> int:
        return 1


class Stands:
    """Starts stand-ins for this number of variants."""

    def __init__(
        self,
        variants: int,
        *,
        broken: Sequence[str] = (),
        unstartable: Sequence[str] = (),
        lost_share: float | None = None,
    ) -> None:
        self.together = threading.Barrier(variants)
        self.broken = broken
        self.unstartable = unstartable
        self.lost_share = lost_share
        self.closed: list[str] = []
        self.running: set[str] = set()

    def placement_of(self, variant: Variant[Any]) -> tuple[str, ...]:
        return (variant.name,)

    def prefixes_of(self, variant: Variant[Any]) -> list[tuple[str, ...]]:
        raise NotImplementedError(variant.name)

    def profiled(self, variant: Variant[Any], scratch: Path, **how: Any) -> ProfiledSteps:
        del scratch, how
        raise NotImplementedError(variant.name)

    def __call__(
        self, variant: Variant[Any], placements: Sequence[Placement], scratch: Path, *, timeout_s: float
    ) -> Stand:
        del placements, scratch, timeout_s
        if variant.name in self.unstartable:
            raise WorkerError("no namespace", "")
        return Stand(variant, self)


def measured(names: str, stands: Stands, scratch: Path, ledger: Ledger | None = None, **effort: Any) -> WorkloadResult:
    """One workload of variants named by single letters, run by stand-ins."""
    variants = tuple(Variant(name, build(), Operator("relu", {}, ("data",))) for name in names)
    plan = Plan("net", variants, (Workload("net-b1", {}, 1, 1.0),), names[0], stands, family="made")
    chosen: Effort = dataclasses.replace(SMOKE, **{"block_budget_s": 1e9, **effort})
    return measure([plan], {}, conditions(PLACEMENTS, scratch, chosen), lambda *_: None, ledger or Ledger())[
        plan.key_of(plan.workloads[0])
    ]


def orders(result: WorkloadResult) -> list[list[str]]:
    """The variants of each block in the order in which they ran, for each invocation."""
    return [["".join(block.slots) for block in invocation.blocks] for invocation in result.invocations]


def test_every_second_block_is_reversed_and_every_order_of_pairs_occurs(tmp_path: Path) -> None:
    result = measured("abc", Stands(3), tmp_path, min_invocations=2, max_invocations=2, max_blocks=100)
    for blocks in orders(result):
        pairs = list(zip(blocks[::2], blocks[1::2], strict=True))
        assert all(second == first[::-1] for first, second in pairs)
        assert {first for first, _ in pairs} == {"abc", "acb", "bac", "bca", "cab", "cba"}, "no order is left out"


def test_orders_are_the_same_in_every_session_and_differ_between_invocations(tmp_path: Path) -> None:
    effort: dict[str, Any] = {"min_invocations": 3, "max_invocations": 3, "max_blocks": 20}
    one, two = (orders(measured("abcd", Stands(4), tmp_path / name, **effort)) for name in ("one", "two"))
    assert one == two
    assert len({tuple(blocks) for blocks in one}) == 3


def blocks_of(groups: Sequence[str], count: int, *, min_blocks: int = 2) -> list[str]:
    """The turns of `count` blocks; variants are letters, those that are compared side by side are in one group."""
    lists, draw = [list(group) for group in groups], random.Random(1)
    return ["".join(_turns(lists, block, min_blocks, draw)) for block in range(count)]


def test_a_variant_and_its_baseline_arm_take_turns_there_and_back() -> None:
    blocks = blocks_of(["n", "tv"], 60)
    complete = [block for block in blocks if "n" in block]
    assert {block.replace("n", "") for block in blocks} == {"tvvt", "vttv"}
    assert {block.index("n") for block in complete} == {0, 4}, "nothing comes between the two"
    assert all(block.count("n") == 1 for block in complete)


@pytest.mark.parametrize("groups", [["n", "tv", "TV"], ["n", "m", "tv"], ["a", "b", "c"]])
def test_every_second_block_is_the_reverse_of_the_one_before(groups: list[str]) -> None:
    blocks = blocks_of(groups, 20, min_blocks=20)
    assert all(second == first[::-1] for first, second in zip(blocks[::2], blocks[1::2], strict=True))


def test_with_baseline_arms_variants_without_one_skip_two_of_three_blocks() -> None:
    blocks = blocks_of(["n", "tv"], 13, min_blocks=4)
    assert [number for number, block in enumerate(blocks) if "n" in block] == [0, 1, 2, 3, 6, 9, 12]
    assert all("n" in block for block in blocks_of(["n", "m"], 13, min_blocks=4)), "without baseline arms none does"


def test_runners_are_prepared_at_the_same_time(tmp_path: Path) -> None:
    """Each stand-in waits in `prepare` until all are there: one after the other would never finish."""
    result = measured("abc", Stands(3), tmp_path)
    assert result.failures == {}
    assert [sorted(block) for block in orders(result)[0]] == [["a", "b", "c"]] * 2


def test_a_runner_that_fails_while_all_start_fails_alone(tmp_path: Path) -> None:
    stands = Stands(3, broken=("b",))
    result = measured("abc", stands, tmp_path)
    assert result.failures == {"b": Failure("while starting: out of memory", "last lines")}
    assert [sorted(block) for block in orders(result)[0]] == [["a", "c"]] * 2
    assert sorted(stands.closed) == ["a", "b", "c"], "each is ended once"


def test_a_runner_that_cannot_be_started_fails_alone(tmp_path: Path) -> None:
    stands = Stands(2, unstartable=("b",))
    result = measured("abc", stands, tmp_path)
    assert result.failures == {"b": Failure("while starting: no namespace", "")}
    assert [sorted(block) for block in orders(result)[0]] == [["a", "c"]] * 2
    assert sorted(stands.closed) == ["a", "c"]


def test_failures_of_variants_outside_a_narrowed_plan_do_not_count(tmp_path: Path) -> None:
    """A confirmation measures a case and its baseline arm, whatever failures other variants of the subject had."""
    variants = tuple(Variant(name, build(), Operator("relu", {}, ("data",))) for name in "ab")
    plan = Plan("net", variants, (Workload("net-b1", {}, 1, 1.0),), "a", Stands(2), family="made")
    wrong = Failure("wrong answers", "")
    begun = conditions(PLACEMENTS, tmp_path)
    (result,) = measure([plan], {plan.key: {"x": wrong, "y": wrong}}, begun, lambda *_: None, Ledger()).values()
    assert result.failures == {}
    assert [sorted(block) for block in orders(result)[0]] == [["a", "b"]] * 2


def test_the_least_number_of_blocks_is_measured_without_any_time(tmp_path: Path) -> None:
    result = measured("ab", Stands(2), tmp_path, min_blocks=3, max_blocks=100, block_budget_s=0.0)
    assert [len(blocks) for blocks in orders(result)] == [3]


def test_a_block_is_disturbed_when_too_much_of_its_time_was_lost(tmp_path: Path) -> None:
    for lost_share, disturbed in ((0.05, False), (0.06, True), (None, False)):
        stands = Stands(2, lost_share=lost_share)
        folder = tmp_path / str(lost_share)
        result = measured("ab", stands, folder, max_invocations=2, workload_budget_s=0.0, max_lost_share=0.05)
        assert [block.disturbed for block in result.invocations[0].blocks] == [disturbed] * 2
        assert [invocation.disturbed for invocation in result.invocations] == ([True] * 2 if disturbed else [False])
        assert len(result.undisturbed.invocations) == (not disturbed)


@pytest.mark.parametrize(
    ("effort", "stopped"),
    [
        ({"max_invocations": 3}, "precise"),
        ({"min_invocations": 2, "max_invocations": 2}, "invocations"),
        ({"max_invocations": 9, "precision": -1.0, "workload_budget_s": 0.0}, "budget"),
    ],
)
def test_a_result_says_why_no_more_was_measured(effort: dict[str, Any], stopped: str, tmp_path: Path) -> None:
    assert measured("ab", Stands(2), tmp_path, **effort).stopped == stopped


def test_nothing_is_left_when_all_variants_failed(tmp_path: Path) -> None:
    assert measured("ab", Stands(2, unstartable=("a", "b")), tmp_path, max_invocations=5).stopped == "nothing left"
