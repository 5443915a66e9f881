"""Measuring a tiny network for real: order, failures, several instances."""

import dataclasses
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from perf.machine import Placement, find_numactl, place_instances, read_topology
from perf.measure.crew import Crew
from perf.measure.engine import Conditions, measure
from perf.measure.journal import Journal
from perf.measure.plan import Effort, Plan
from perf.measure.results import Failure, Spent
from perf.measure.tiers import effort_of

pytestmark = pytest.mark.real

SMOKE = effort_of("smoke")


@pytest.fixture(autouse=True)
def no_survivors() -> Iterator[None]:
    yield
    assert not [child for child in psutil.Process().children() if "perf.worker" in child.cmdline()]


def conditions(placements: tuple[Placement, ...], scratch: Path, effort: Effort = SMOKE) -> Conditions:
    journal = Journal(scratch / "journal", {})
    return Conditions(placements=placements, effort=effort, timeout_s=60, scratch=scratch, journal=journal)


def test_order_alternates_and_what_failed_before_is_not_run(
    plan: Plan, placements: tuple[Placement, ...], scratch: Path
) -> None:
    effort = dataclasses.replace(SMOKE, min_invocations=2, max_invocations=2, min_blocks=3, max_blocks=3)
    plan = dataclasses.replace(plan, workloads=plan.workloads[:1])
    problem = Failure("its outputs are not finite", "")
    told: list[tuple[str, float]] = []
    spent = Spent()
    results = measure(
        [plan],
        {plan.subject: {"mkl-int8": problem}},
        conditions(placements, scratch, effort),
        lambda text, share: told.append((text, share)),
        spent,
    )
    (result,) = results.values()
    assert result.failures == {"mkl-int8": problem}
    forwards = ["native-fp32", "mkl-fp32"]
    orders = [[list(block.slots) for block in invocation.blocks] for invocation in result.invocations]
    backwards = forwards[::-1]
    assert orders == [[forwards, backwards, forwards], [backwards, forwards, backwards]]
    assert told == [("cifar_resnet20_v1-b1, invocation 1", 0.0), ("cifar_resnet20_v1-b1, invocation 2", 0.5)]
    passes = sum(ns for slots in map(result.blocks_of, forwards) for i in slots for s in i for ns in s.instances_ns[0])
    warm_ups = sum(w.duration_ns for invocation in result.invocations for w in invocation.warm_ups.values())
    assert spent.passes_ns == passes + warm_ups
    assert [len(ratios) for ratios in result.log_ratios(*forwards)] == [3, 3]
    assert all(peak > 10**7 for i in result.invocations for peak in i.peak_memory_bytes.values())


def test_variant_killed_while_timed_fails_in_that_workload_alone(
    plan: Plan, placements: tuple[Placement, ...], scratch: Path
) -> None:
    effort = dataclasses.replace(SMOKE, slot_s=0.2, min_blocks=2, max_blocks=2)
    spent = Spent()
    killed: list[int] = []

    def kill_while_timed() -> None:
        changes, before = 0, 0
        while changes < 4:  # the three warm-ups, then the reference's first slot: the victim is next
            time.sleep(0.001)
            changes, before = changes + (spent.passes_ns != before), spent.passes_ns
        time.sleep(0.1)
        worker = next(c for c in psutil.Process().children() if writes_to(c.pid) == scratch / "mkl-fp32-0.log")
        worker.kill()
        killed.append(worker.pid)

    killer = threading.Thread(target=kill_while_timed, daemon=True)
    killer.start()
    results = measure([plan], {}, conditions(placements, scratch, effort), lambda *_: None, spent)
    killer.join(timeout=1)
    one, four = results["cifar_resnet20_v1-b1"], results["cifar_resnet20_v1-b4"]
    assert killed
    assert {name: f.what for name, f in one.failures.items()} == {
        "mkl-fp32": "while being timed: the worker was ended by SIGKILL"
    }
    assert "build_subgraph" in one.failures["mkl-fp32"].last_words
    assert four.failures == {}
    assert [len(invocation) for name in ("native-fp32", "mkl-int8") for invocation in one.blocks_of(name)] == [2, 2]
    assert [len(four.blocks_of(variant.name)[0]) for variant in plan.variants] == [2, 2, 2]


def test_two_instances_run_together_on_cpus_of_their_own(plan: Plan, scratch: Path) -> None:
    topology = read_topology()
    if topology.physical_cores < 2:
        pytest.skip("two instances need two cores")
    placements = place_instances(topology, instances=2, threads=1, numactl=find_numactl(topology))
    effort = dataclasses.replace(SMOKE, slot_s=0.3, slot_passes=10)
    variant = next(variant for variant in plan.variants if variant.name == "mkl-int8")
    crew = Crew(variant, placements, scratch, timeout_s=60)
    try:
        operators = crew.load()
        crew.bind(plan.workloads[0])
        warm_up = crew.warm_up(effort)
        crew.prove_pinning()
        where = [set(psutil.Process(pid).cpu_affinity()) for pid in crew.pids]
        slots = crew.run(effort, quiet=True).instances_ns
        peak = crew.unbind()
    finally:
        crew.close()
    assert any(node.op == "_sg_mkldnn_conv" and node.quantized for node in operators)
    assert where == [set(placement.cpus) for placement in placements]
    assert where[0].isdisjoint(where[1])
    assert warm_up.passes >= 1
    assert len(slots) == 2
    assert all(passes and min(passes) > 0 for passes in slots)
    assert peak > 2 * 10**7
    assert not any(psutil.pid_exists(pid) for pid in crew.pids)


def test_worker_elsewhere_than_placed_is_refused(plan: Plan, placements: tuple[Placement, ...], scratch: Path) -> None:
    """The placement says one thing and the launch prefix another, as when a cpuset narrows a mask silently."""
    if len(placements[0].cpus) < 2:
        pytest.skip("one CPU cannot be narrowed")
    narrowed = dataclasses.replace(
        placements[0], prefix=("taskset", "-c", str(placements[0].cpus[0])), method="affinity"
    )
    effort = dataclasses.replace(SMOKE, min_blocks=1, max_blocks=1)
    alone = dataclasses.replace(plan, variants=plan.variants[:1], workloads=plan.workloads[:1])
    results = measure([alone], {}, conditions((narrowed,), scratch, effort), lambda *_: None, Spent())
    (result,) = results.values()
    told = result.failures["native-fp32"].what
    assert told.startswith(
        "while warming up: the worker is not pinned where it was placed: instance 0: started on CPUs"
    )
    assert "the kernel narrows masks silently" in told


def test_what_the_journal_holds_is_not_measured_again(
    plan: Plan, placements: tuple[Placement, ...], scratch: Path
) -> None:
    workload = plan.workloads[0]
    plan = dataclasses.replace(plan, variants=plan.variants[1:2], workloads=(workload,), reference="mkl-fp32")
    begun = conditions(placements, scratch)
    first = measure([plan], {}, begun, lambda *_: None, Spent())[workload.name]
    begun.journal.close()
    more = dataclasses.replace(SMOKE, min_invocations=2, max_invocations=2)
    told: list[str] = []
    taken_up = conditions(placements, scratch, more)
    second = measure([plan], {}, taken_up, lambda text, _: told.append(text), Spent())[workload.name]
    assert told == [f"{workload.name}, invocation 2"]
    assert second.invocations[0] == first.invocations[0]
    assert second.invocations[0].elapsed_s > 0
    assert len(second.invocations) == 2
    again = measure([plan], {}, dataclasses.replace(taken_up, phase="repetition"), lambda *_: None, Spent())
    assert len(again[workload.name].invocations) == 2, "another phase begins anew"


def test_invocations_go_round_all_plans(plan: Plan, placements: tuple[Placement, ...], scratch: Path) -> None:
    one = dataclasses.replace(plan, variants=plan.variants[1:2], workloads=plan.workloads[:1], reference="mkl-fp32")
    other = dataclasses.replace(
        one, subject="other", workloads=(dataclasses.replace(one.workloads[0], name="other-b1"),)
    )
    effort = dataclasses.replace(SMOKE, min_invocations=2, max_invocations=2)
    told: list[tuple[str, float]] = []
    results = measure(
        [one, other], {}, conditions(placements, scratch, effort), lambda *words: told.append(words), Spent()
    )
    name = one.workloads[0].name
    assert told == [
        (f"{name}, invocation 1", 0.0),
        ("other-b1, invocation 1", 0.25),
        (f"{name}, invocation 2", 0.5),
        ("other-b1, invocation 2", 0.75),
    ]
    assert [len(results[workload].invocations) for workload in (name, "other-b1")] == [2, 2]


def test_what_is_disturbed_is_measured_again_and_does_not_count(
    plan: Plan, placements: tuple[Placement, ...], scratch: Path
) -> None:
    workload = plan.workloads[0]
    plan = dataclasses.replace(plan, variants=plan.variants[1:2], workloads=(workload,), reference="mkl-fp32")
    # A share below nothing: every slot is disturbed.
    effort = dataclasses.replace(SMOKE, max_invocations=2, max_lost_share=-1.0)
    result = measure([plan], {}, conditions(placements, scratch, effort), lambda *_: None, Spent())[workload.name]
    assert [slot.attempts for slots in result.blocks_of("mkl-fp32") for slot in slots] == [2] * 4
    assert all(block.disturbed for invocation in result.invocations for block in invocation.blocks)
    assert [invocation.disturbed for invocation in result.invocations] == [True, True], "a second one was tried"
    assert result.undisturbed.invocations == ()


def writes_to(pid: int) -> Path | None:
    """The file that a process has as its standard error."""
    try:
        return Path(f"/proc/{pid}/fd/2").readlink()
    except OSError:
        return None
