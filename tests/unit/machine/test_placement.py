from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perf.errors import PerfError
from perf.machine.numactl import Numactl
from perf.machine.placement import Placement, place_instances
from perf.machine.topology import Node, Topology, read_topology
from tests.support.fake_sysfs import write_c5_metal

NUMACTL = Numactl("/usr/bin/numactl")
MISSING = Numactl(None, "numactl is not installed", "install numactl")


def machine(*cores_per_node: int, smt: int = 2) -> Topology:
    """Cores numbered through, with siblings N, N + all cores, and so on: the way of servers."""
    total = sum(cores_per_node)
    nodes, first = [], 0
    for node, count in enumerate(cores_per_node):
        cores = tuple(tuple(core + total * thread for thread in range(smt)) for core in range(first, first + count))
        nodes.append(Node(node, tuple(sorted(cpu for core in cores for cpu in core)), cores))
        first += count
    return Topology(tuple(nodes))


@st.composite
def plans(draw: st.DrawFn) -> tuple[Topology, int]:
    topology = machine(*draw(st.lists(st.integers(1, 9), min_size=1, max_size=4)), smt=draw(st.integers(1, 3)))
    return topology, draw(st.integers(1, topology.physical_cores))


@settings(deadline=None)  # the cores are shared
@given(plans())
def test_instances_never_share_a_core_and_stay_on_their_node(plan: tuple[Topology, int]) -> None:
    topology, instances = plan
    placements = place_instances(topology, instances=instances, numactl=NUMACTL)
    core_of = {cpu: core for node in topology.nodes for core in node.cores for cpu in core}
    used = [core_of[cpu] for placement in placements for cpu in placement.cpus]
    assert [placement.instance for placement in placements] == list(range(instances))
    assert len(used) == len(set(used))
    for placement in placements:
        assert set(placement.cpus) <= set(topology.nodes[placement.node].cpus)
        assert placement.threads == len(placement.cpus) >= 1
        assert list(placement.cpus) == sorted(placement.cpus)


@settings(deadline=None)  # the cores are shared
@given(plans())
def test_instances_use_every_core_of_their_nodes_in_even_contiguous_parts(plan: tuple[Topology, int]) -> None:
    topology, instances = plan
    placements = place_instances(topology, instances=instances, numactl=NUMACTL)
    for node in topology.nodes[:instances]:
        parts = [placement.cpus for placement in placements if placement.node == node.id]
        assert [cpu for part in parts for cpu in part] == [core[0] for core in node.cores]
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


@settings(deadline=None)  # the cores are shared
@given(plans(), st.data())
def test_all_hardware_threads_can_be_used(plan: tuple[Topology, int], data: st.DataObject) -> None:
    topology, instances = plan
    smt = len(topology.nodes[0].cores[0])
    plain = place_instances(topology, instances=instances, numactl=NUMACTL)
    threads = data.draw(st.integers(1, smt * min(placement.threads for placement in plain)))
    placements = place_instances(topology, instances=instances, threads=threads, numactl=NUMACTL)
    cpus = [cpu for placement in placements for cpu in placement.cpus]
    assert len(cpus) == len(set(cpus)) == threads * instances
    for before, after in zip(plain, placements, strict=True):
        narrow, wide = sorted((set(before.cpus), set(after.cpus)), key=len)
        assert narrow <= wide  # siblings only join once every core has a thread


def test_c5_metal_runs_one_instance_per_node_on_first_threads(tmp_path: Path) -> None:
    first, second = place_instances(read_topology(write_c5_metal(tmp_path), range(96)), numactl=NUMACTL)
    assert first == Placement(
        instance=0,
        node=0,
        cpus=tuple(range(24)),
        threads=24,
        method="numactl",
        prefix=("/usr/bin/numactl", "--cpunodebind=0", "--physcpubind=0-23", "--membind=0"),
    )
    assert second.prefix == ("/usr/bin/numactl", "--cpunodebind=1", "--physcpubind=24-47", "--membind=1")
    assert first.describe() == "instance 0: node 0, CPUs 0-23, 24 threads, numactl"


def test_consecutively_numbered_siblings_are_on_one_core() -> None:
    desktop = Topology((Node(0, tuple(range(8)), ((0, 1), (2, 3), (4, 5), (6, 7))),))
    (placement,) = place_instances(desktop, numactl=NUMACTL)
    assert placement.cpus == (0, 2, 4, 6)
    (narrow,) = place_instances(desktop, threads=2, numactl=NUMACTL)
    assert narrow.cpus == (0, 2)
    (wide,) = place_instances(desktop, threads=6, numactl=NUMACTL)
    assert wide.cpus == (0, 1, 2, 3, 4, 6)
    assert wide.threads == 6


def test_instances_are_dealt_to_the_nodes_in_turn() -> None:
    placements = place_instances(machine(4, 4), instances=3, numactl=NUMACTL)
    assert [(placement.node, placement.cpus) for placement in placements] == [
        (0, (0, 1)),
        (1, (4, 5, 6, 7)),
        (0, (2, 3)),
    ]


def test_a_full_node_gets_no_more_instances() -> None:
    placements = place_instances(machine(1, 3), instances=4, numactl=NUMACTL)
    assert [placement.node for placement in placements] == [0, 1, 1, 1]


def test_fewer_instances_than_nodes_use_the_first_nodes() -> None:
    assert [placement.node for placement in place_instances(machine(2, 2, 2), instances=2, numactl=NUMACTL)] == [0, 1]


def test_one_node_without_numactl_falls_back_to_affinity_and_says_so() -> None:
    (placement,) = place_instances(machine(1, smt=1), numactl=MISSING)
    assert (placement.method, placement.prefix) == ("affinity", ())
    assert placement.describe() == (
        "instance 0: node 0, CPU 0, 1 thread, affinity; memory is not bound because there is one usable node and "
        "numactl is not installed"
    )


@pytest.mark.parametrize("instances", [None, 1, 4])
def test_several_nodes_need_numactl(instances: int | None) -> None:
    with pytest.raises(PerfError, match="2 NUMA nodes need memory binding, but numactl is not installed") as caught:
        place_instances(machine(2, 2), instances=instances, numactl=MISSING)
    assert caught.value.next_step == "install numactl"


@pytest.mark.parametrize(
    ("counts", "what"),
    [
        ({"instances": 0}, "0 instances cannot"),
        ({"instances": -2}, "-2 instances cannot"),
        ({"threads": 0}, "0 threads cannot"),
        ({"instances": 5}, "5 instances need a physical core each, and 4 cores can be used"),
        ({"threads": 5}, "instance 0 cannot run 5 threads: its part of node 0 has 4 hardware threads"),
        ({"instances": 3, "threads": 3}, "instance 0 cannot run 3 threads: its part of node 0 has 2 hardware threads"),
    ],
)
def test_counts_that_do_not_fit_are_refused(counts: dict[str, int], what: str) -> None:
    with pytest.raises(PerfError, match=what) as caught:
        place_instances(machine(2, 2), numactl=NUMACTL, **counts)
    assert caught.value.next_step is not None
