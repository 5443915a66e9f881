"""Measuring a tiny network in real workers: turns, failures, pinning, the journal and disturbance."""

import dataclasses
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import psutil
import pytest

from perf.machine import Placement
from perf.measure import engine
from perf.measure.engine import Conditions, measure
from perf.measure.journal import Journal
from perf.measure.ledger import Ledger
from perf.measure.plan import Plan
from perf.measure.results import Failure, Slot, WarmUp
from perf.measure.tiers import Effort, effort_of
from perf.measure.workers.replies import GraphNode
from perf.measure.workers.worker_group import WorkerGroup
from tests.support.leftovers import states

pytestmark = pytest.mark.alone
SMOKE = effort_of("smoke")
WAIT_S = 60.0


@pytest.fixture(autouse=True)
def no_survivors() -> Iterator[None]:
    yield
    assert not [child for child in psutil.Process().children() if "perf.worker" in child.cmdline()]


def conditions(placements: tuple[Placement, ...], scratch: Path, effort: Effort = SMOKE) -> Conditions:
    journal = Journal(scratch / "journal", {})
    return Conditions(placements=placements, effort=effort, timeout_s=60, scratch=scratch, journal=journal)


class Watched(WorkerGroup):
    """Notes the states of all worker groups' threads whenever one of them has its turn: whose turn it is, the states
    of its own threads, and those of all other threads.
    """

    watched: ClassVar[list["Watched"]] = []
    seen: ClassVar[list[tuple[str, set[str], set[str]]]] = []

    def load(self) -> tuple[GraphNode, ...]:
        self.watched.append(self)
        return super().load()

    def warm_up(self, effort: Effort) -> WarmUp:
        self._look()
        return super().warm_up(effort)

    def run(self, effort: Effort) -> Slot:
        self._look()
        slot = super().run(effort)
        self._look()
        return slot

    def _look(self) -> None:
        own = set().union(*(states(pid) for pid in self.pids))
        elsewhere = set().union(*(states(pid) for other in self.watched if other is not self for pid in other.pids))
        self.seen.append((self.variant.name, own, elsewhere))


def test_while_one_variant_has_its_turn_all_other_variants_are_stopped(
    plan: Plan[Any], placements: tuple[Placement, ...], scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "WorkerGroup", Watched)
    monkeypatch.setattr(Watched, "watched", [])
    monkeypatch.setattr(Watched, "seen", [])
    ledger = Ledger()
    native, mkl = plan.variants[:2]
    baseline_arm = dataclasses.replace(mkl, name="baseline arm", over=(), baseline_arm_of=mkl.name)
    names = [native.name, baseline_arm.name, mkl.name]
    plan = dataclasses.replace(plan, variants=(native, baseline_arm, mkl), workloads=plan.workloads[:1])
    (result,) = measure([plan], {}, conditions(placements, scratch), lambda *_: None, ledger).values()
    assert result.failures == {}
    turns = Counter(name for name, _, _ in Watched.seen)
    # Seen when warming up, and before and after each turn of two blocks: the pair has two turns in each.
    assert turns == {native.name: 1 + 2 * 2, baseline_arm.name: 1 + 2 * 4, mkl.name: 1 + 2 * 4}
    assert all(elsewhere == {"T"} for _, _, elsewhere in Watched.seen)
    assert not any("T" in own for _, own, _ in Watched.seen)
    (invocation,) = result.invocations
    for block in invocation.blocks:
        assert {name: len(slot.turns_ns) for name, slot in block.slots.items()} == {
            native.name: 0,
            "baseline arm": 2,
            mkl.name: 2,
        }
    passes = sum(ns for slots in map(result.blocks_of, names) for i in slots for s in i for ns in s.instances_ns[0])
    assert list(ledger.seconds) == ["starting workers", "warm-up", "counted passes", "between passes"]
    assert ledger.seconds["counted passes"] == pytest.approx(passes / 1e9)
    assert ledger.seconds["warm-up"] >= sum(w.duration_ns for w in invocation.warm_ups.values()) / 1e9


def test_a_variant_that_failed_before_is_not_run(
    plan: Plan[Any], placements: tuple[Placement, ...], scratch: Path
) -> None:
    effort = dataclasses.replace(SMOKE, min_invocations=2, max_invocations=2)
    plan = dataclasses.replace(plan, workloads=plan.workloads[:1])
    problem = Failure("its outputs are not finite", "")
    said: list[tuple[str, float]] = []
    results = measure(
        [plan],
        {plan.key: {"mkl-int8": problem}},
        conditions(placements, scratch, effort),
        lambda text, left_s: said.append((text, left_s)),
        Ledger(),
    )
    (result,) = results.values()
    assert result.failures == {"mkl-int8": problem}
    ran = [list(block.slots) for invocation in result.invocations for block in invocation.blocks]
    assert [sorted(names) for names in ran] == [["mkl-fp32", "native-fp32"]] * 4
    assert [text for text, _ in said] == ["cifar_resnet20_v1-b1, invocation 1", "cifar_resnet20_v1-b1, invocation 2"]
    assert all(left_s > 0 for _, left_s in said)
    assert [len(ratios) for ratios in result.log_ratios("native-fp32", "mkl-fp32")] == [2, 2]
    assert all(peak > 10**7 for i in result.invocations for peak in i.peak_memory_bytes.values())


class Counting(Ledger):
    """Says when the first turn's passes were booked."""

    def __init__(self) -> None:
        super().__init__()
        self.booked = threading.Event()

    def move(self, source: str, target: str, duration_s: float) -> None:
        super().move(source, target, duration_s)
        self.booked.set()


@pytest.mark.parametrize("when", ["while it is stopped", "in its turn"])
def test_a_variant_killed_while_timed_fails_in_that_workload_alone(
    plan: Plan[Any], placements: tuple[Placement, ...], scratch: Path, when: str
) -> None:
    ledger = Counting()
    killed: list[int] = []

    def kill_once_timed() -> None:
        assert ledger.booked.wait(WAIT_S)
        worker = next(c for c in psutil.Process().children() if writes_to(c.pid) == scratch / "mkl-fp32-0.log")
        while states(worker.pid) != {"T"}:
            time.sleep(0.001)
        while when == "in its turn" and "T" in states(worker.pid):
            time.sleep(0.001)
        worker.kill()
        killed.append(worker.pid)

    effort = dataclasses.replace(SMOKE, slot_s=0.2)
    killer = threading.Thread(target=kill_once_timed, daemon=True)
    killer.start()
    results = measure([plan], {}, conditions(placements, scratch, effort), lambda *_: None, ledger)
    killer.join(timeout=1)
    one, four = (results[plan.key_of(workload)] for workload in plan.workloads)
    assert killed
    assert {name: f.what for name, f in one.failures.items()} == {
        "mkl-fp32": "while being timed: the worker was ended by SIGKILL"
    }
    assert "build_subgraph" in one.failures["mkl-fp32"].last_lines
    assert four.failures == {}
    assert [len(invocation) for name in ("native-fp32", "mkl-int8") for invocation in one.blocks_of(name)] == [2, 2]
    assert [len(four.blocks_of(variant.name)[0]) for variant in plan.variants] == [2, 2, 2]


def test_a_worker_that_runs_elsewhere_than_placed_is_refused(
    plan: Plan[Any], placements: tuple[Placement, ...], scratch: Path
) -> None:
    """The placement says one thing and the launch prefix another, as when a cpuset narrows a mask silently."""
    if len(placements[0].cpus) < 2:
        pytest.skip("one CPU cannot be narrowed")
    narrowed = dataclasses.replace(
        placements[0], prefix=("taskset", "-c", str(placements[0].cpus[0])), method="affinity"
    )
    effort = dataclasses.replace(SMOKE, min_blocks=1, max_blocks=1)
    alone = dataclasses.replace(plan, variants=plan.variants[:1], workloads=plan.workloads[:1])
    results = measure([alone], {}, conditions((narrowed,), scratch, effort), lambda *_: None, Ledger())
    (result,) = results.values()
    problem = result.failures["native-fp32"].what
    assert problem.startswith("while warming up: pinning failed: instance 0: started on CPUs")
    assert "the kernel narrows masks silently" in problem


def test_invocations_in_the_journal_are_not_measured_again(
    plan: Plan[Any], placements: tuple[Placement, ...], scratch: Path
) -> None:
    workload = plan.workloads[0]
    plan = dataclasses.replace(plan, variants=plan.variants[1:2], workloads=(workload,), reference="mkl-fp32")
    begun = conditions(placements, scratch)
    first = measure([plan], {}, begun, lambda *_: None, Ledger())[plan.key_of(workload)]
    begun.journal.close()
    more = dataclasses.replace(SMOKE, min_invocations=2, max_invocations=2)
    said: list[str] = []
    taken_up = conditions(placements, scratch, more)
    second = measure([plan], {}, taken_up, lambda text, _: said.append(text), Ledger())[plan.key_of(workload)]
    assert said == [f"{workload.name}, invocation 2"]
    assert second.invocations[0] == first.invocations[0]
    assert second.invocations[0].elapsed_s > 0
    assert len(second.invocations) == 2
    again = measure([plan], {}, dataclasses.replace(taken_up, confirming="mkl-fp32"), lambda *_: None, Ledger())
    assert len(again[plan.key_of(workload)].invocations) == 2, "a confirmation is kept apart"


def test_invocations_go_round_all_plans(plan: Plan[Any], placements: tuple[Placement, ...], scratch: Path) -> None:
    one = dataclasses.replace(plan, variants=plan.variants[1:2], workloads=plan.workloads[:1], reference="mkl-fp32")
    other = dataclasses.replace(
        one, subject="other", workloads=(dataclasses.replace(one.workloads[0], name="other-b1"),)
    )
    effort = dataclasses.replace(SMOKE, min_invocations=2, max_invocations=2)
    said: list[tuple[str, float]] = []
    results = measure(
        [one, other], {}, conditions(placements, scratch, effort), lambda *progress: said.append(progress), Ledger()
    )
    name = one.workloads[0].name
    assert [text for text, _ in said] == [
        f"{name}, invocation 1",
        "other-b1, invocation 1",
        f"{name}, invocation 2",
        "other-b1, invocation 2",
    ]
    assert said[-1][1] < said[0][1], "less is left"
    assert [len(results[run.key_of(run.workloads[0])].invocations) for run in (one, other)] == [2, 2]


def test_disturbed_invocations_are_measured_again_and_do_not_count(
    plan: Plan[Any], placements: tuple[Placement, ...], scratch: Path
) -> None:
    workload = plan.workloads[0]
    plan = dataclasses.replace(plan, variants=plan.variants[1:2], workloads=(workload,), reference="mkl-fp32")
    # No slot loses less than nothing: every slot is disturbed.
    effort = dataclasses.replace(SMOKE, max_invocations=2, max_lost_share=-1.0)
    result = measure([plan], {}, conditions(placements, scratch, effort), lambda *_: None, Ledger())[
        plan.key_of(workload)
    ]
    assert all(block.disturbed for invocation in result.invocations for block in invocation.blocks)
    assert [invocation.disturbed for invocation in result.invocations] == [True, True], "a second one was tried"
    assert result.undisturbed.invocations == ()


def writes_to(pid: int) -> Path | None:
    """The file that a process has as its standard error."""
    try:
        return Path(f"/proc/{pid}/fd/2").readlink()
    except OSError:
        return None
