"""Several instances of a variant at once."""

import dataclasses
from pathlib import Path
from typing import Any

import psutil
import pytest

from perf.errors import WorkerError
from perf.machine import find_numactl, place_instances, read_topology
from perf.measure.plan import Plan
from perf.measure.tiers import effort_of
from perf.measure.workers.worker_group import WorkerGroup

pytestmark = pytest.mark.alone
SMOKE = effort_of("smoke")


def test_two_instances_run_together_on_cpus_of_their_own(plan: Plan[Any], scratch: Path) -> None:
    topology = read_topology()
    if topology.physical_cores < 2:
        pytest.skip("two instances need two cores")
    placements = place_instances(topology, instances=2, threads=1, numactl=find_numactl(topology))
    effort = dataclasses.replace(SMOKE, slot_s=0.3, slot_passes=10)
    variant = next(variant for variant in plan.variants if variant.name == "mkl-int8")
    group = WorkerGroup(variant, placements, scratch, timeout_s=60)
    try:
        operators = group.load()
        group.bind(plan.workloads[0])
        warm_up = group.warm_up(effort)
        where = [set(psutil.Process(pid).cpu_affinity()) for pid in group.pids]
        slots = group.run(effort).instances_ns
        peak = group.finish()
    finally:
        group.close()
    assert any(node.op == "_sg_mkldnn_conv" and node.quantized for node in operators)
    assert where == [set(placement.cpus) for placement in placements]
    assert where[0].isdisjoint(where[1])
    assert warm_up.passes >= 1
    assert len(slots) == 2
    assert all(passes and min(passes) > 0 for passes in slots)
    assert peak > 2 * 10**7
    assert not any(psutil.pid_exists(pid) for pid in group.pids)


def test_slots_of_one_pass_have_a_pass_of_each_instance(plan: Plan[Any], scratch: Path) -> None:
    """As those of large networks are. Two instances do not start and end their passes at the same moment."""
    topology = read_topology()
    if topology.physical_cores < 2:
        pytest.skip("two instances need two cores")
    placements = place_instances(topology, instances=2, threads=1, numactl=find_numactl(topology))
    effort = dataclasses.replace(SMOKE, slot_s=0.0, slot_passes=1)
    group = WorkerGroup(plan.variants[0], placements, scratch, timeout_s=60)
    try:
        group.load()
        group.bind(plan.workloads[0])
        group.warm_up(effort)
        slots = [group.run(effort) for _ in range(100)]
    finally:
        group.close()
    assert all(all(slot.instances_ns) for slot in slots)


def test_every_misplaced_instance_is_reported(plan: Plan[Any], scratch: Path) -> None:
    topology = read_topology()
    if topology.physical_cores < 2:
        pytest.skip("two instances need two cores")
    first, second = place_instances(topology, instances=2, threads=1, numactl=find_numactl(topology))
    # Each runs where the other one was placed.
    swapped = [
        dataclasses.replace(here, prefix=("taskset", "-c", str(there.cpus[0])), method="affinity")
        for here, there in ((first, second), (second, first))
    ]
    group = WorkerGroup(plan.variants[0], swapped, scratch, timeout_s=60)
    try:
        group.load()
        group.bind(plan.workloads[0])
        with pytest.raises(WorkerError) as caught:
            group.warm_up(dataclasses.replace(SMOKE, warm_up_s=0.1))
    finally:
        group.close()
    for here, there in ((first, second), (second, first)):
        problem = f"instance {here.instance}: started on CPUs {there.cpus[0]} instead of {here.cpus[0]}"
        assert problem in caught.value.what
