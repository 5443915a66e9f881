"""Where instances go under masks and cpusets, that they run there, and when the suite refuses."""

import pytest

from tests.numa.guest import Guest
from tests.numa.inside import bare, controls

BOTH = [
    "instance 0: node 0, CPUs 0-1, 2 threads, numactl",
    "instance 1: node 1, CPUs 2-3, 2 threads, numactl",
]
ONE_NODE = "memory is not bound because there is one usable node and"
INSTALL = "apt-get install numactl (Debian, Ubuntu) or yum install numactl (Amazon Linux, Red Hat)"
ALLOW = "allow set_mempolicy (docker run --cap-add SYS_NICE), or run outside the container"
REPLACE = "put the numactl of your distribution first on PATH: this one is a wrapper, or was changed"


@pytest.mark.parametrize(
    ("cpus", "placements"),
    [
        ([0, 1, 2, 3], BOTH),
        ([0, 1], BOTH[:1]),
        ([2, 3], ["instance 0: node 1, CPUs 2-3, 2 threads, numactl"]),
        ([0], ["instance 0: node 0, CPU 0, 1 thread, numactl"]),
        ([3], ["instance 0: node 1, CPU 3, 1 thread, numactl"]),
        ([0, 3], ["instance 0: node 0, CPU 0, 1 thread, numactl", "instance 1: node 1, CPU 3, 1 thread, numactl"]),
        ([1, 2], ["instance 0: node 0, CPU 1, 1 thread, numactl", "instance 1: node 1, CPU 2, 1 thread, numactl"]),
        ([0, 1, 2], [BOTH[0], "instance 1: node 1, CPU 2, 1 thread, numactl"]),
    ],
    ids=str,
)
def test_instances_run_where_a_mask_leaves_cpus(guest: Guest, cpus: list[int], placements: list[str]) -> None:
    assert guest.call(bare.of_mask, cpus=cpus) == placements


@pytest.mark.parametrize(
    ("cpus", "memory", "expected"),
    [
        ("0-3", "0-1", BOTH),
        ("2-3", "1", ["instance 0: node 1, CPUs 2-3, 2 threads, numactl"]),
        (
            "0,3",
            "0-1",
            ["instance 0: node 0, CPU 0, 1 thread, numactl", "instance 1: node 1, CPU 3, 1 thread, numactl"],
        ),
    ],
)
def test_instances_run_where_a_container_leaves_cpus_and_memory(
    guest: Guest, cpus: str, memory: str, expected: list[str]
) -> None:
    assert guest.call(controls.container, cpus=cpus, memory=memory) == expected


@pytest.mark.parametrize(
    ("kind", "what", "next_step"),
    [
        ("missing", "numactl is not installed", INSTALL),
        ("nomem", "numactl had no effect (memory policy: default)", ALLOW),
    ],
)
def test_several_nodes_are_refused_without_a_numactl_that_binds(
    guest: Guest, kind: str, what: str, next_step: str
) -> None:
    expected = [f"2 NUMA nodes need memory binding, but {what}", next_step]
    assert guest.call(controls.refusal, kind=kind) == expected


@pytest.mark.parametrize(
    ("kind", "policy"),
    [("preferred", "prefer:0"), ("interleave", "interleave:0-1"), ("swapmem", "bind:1"), ("swap", "bind:1")],
)
def test_a_numactl_that_binds_memory_elsewhere_is_refused(guest: Guest, kind: str, policy: str) -> None:
    what = f"/run/lying/{kind}/numactl does not do what it was asked (memory policy: {policy} instead of bind:0)"
    assert guest.call(controls.refusal, kind=kind) == [f"2 NUMA nodes need memory binding, but {what}", REPLACE]


@pytest.mark.parametrize("kind", ["swapcpu", "nocpu", "narrow", "migrate"])
def test_the_trial_of_numactl_cannot_see_what_only_the_proof_does(guest: Guest, kind: str) -> None:
    """What it does to CPUs, and to pages later on: test_proof.py."""
    assert guest.call(controls.refusal, kind=kind) == BOTH


def test_memory_of_the_second_node_alone_is_refused(guest: Guest) -> None:
    what = "numactl cannot bind here (libnuma: Warning: node argument 0 is out of range)"
    expected = [f"2 NUMA nodes need memory binding, but {what}", ALLOW]
    assert guest.call(controls.container, cpus="0-3", memory="1") == expected


def test_memory_of_the_first_node_alone_does_not_start_the_second_instance(guest: Guest) -> None:
    """numactl is tried on the first node, and refuses on the second."""
    expected = [*BOTH, "instance 1: the worker exited with code 1"]
    assert guest.call(controls.container, cpus="0-3", memory="0") == expected


def test_cpus_of_one_node_with_memory_of_the_other_fail_the_proof(guest: Guest) -> None:
    reason = f"{ONE_NODE} numactl cannot bind here (libnuma: Warning: node argument 1 is out of range)"
    assert guest.call(controls.container, cpus="2-3", memory="0") == [
        f"instance 0: node 1, CPUs 2-3, 2 threads, affinity; {reason}",
        "instance 0: at least 99 % of its anonymous memory must be on node 1, but it is on node 0: 100.0 %",
    ]
