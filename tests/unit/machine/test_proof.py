from typing import Any

import pytest

from perf.machine.placement import Placement
from perf.machine.proof import check_pinning

BOUND = Placement(3, 1, (4, 5, 6, 7), 4, "numactl", ("numactl",))
UNBOUND = Placement(0, 0, (0, 1), 2, "affinity", (), "numactl is not installed")
# What a worker on node 1 sends: the main thread, one that KMP_AFFINITY bound to one CPU, one that floats.
BOUND_PROOF = {
    "launch_cpus": "4-7",
    "thread_cpus": {"10": "4-7", "11": "5", "12": "6-7"},
    "online_cpus": "0-7",
    "policies": {"bind:1": 312},
    "anonymous_kb": {"1": 990, "0": 10},
}
UNBOUND_PROOF = {
    "launch_cpus": "0-1",
    "thread_cpus": {"10": "0-1"},
    "online_cpus": "0-7",
    "policies": {"default": 80},
    "anonymous_kb": {"0": 500},
}


def problem(placement: Placement, proof: dict[str, Any]) -> str:
    (only,) = check_pinning(placement, proof)
    assert only.startswith(f"instance {placement.instance}: ")
    return only


@pytest.mark.parametrize(("placement", "proof"), [(BOUND, BOUND_PROOF), (UNBOUND, UNBOUND_PROOF)])
def test_a_worker_where_it_was_placed_is_proven(placement: Placement, proof: dict[str, Any]) -> None:
    assert check_pinning(placement, proof) == []


@pytest.mark.parametrize(("cpus", "narrowed"), [("4-6", True), ("", True), ("4-8", False), ("0-3", False)])
def test_wrong_launch_cpus_are_a_problem(cpus: str, narrowed: bool) -> None:
    message = problem(BOUND, BOUND_PROOF | {"launch_cpus": cpus})
    assert f"started on CPUs {cpus or 'none'} instead of 4-7" in message
    assert ("narrows" in message) == narrowed


def test_stray_threads_are_reported_once_per_mask() -> None:
    threads = {"10": "4-7", "11": "0-95", "12": "0-95", "13": "8"}
    many, single = check_pinning(BOUND, BOUND_PROOF | {"thread_cpus": threads})
    assert "2 threads (first: 11) may run on CPUs 0-95, not only on 4-7" in many
    assert "1 thread (first: 13) may run on CPUs 8" in single


@pytest.mark.parametrize(
    ("online", "offline"),
    [
        ("0-5", "2 CPUs of its placement went offline: 6-7"),
        ("0-3,5-7", "1 CPU of its placement went offline: 4"),
    ],
)
def test_a_cpu_that_went_offline_is_a_problem(online: str, offline: str) -> None:
    assert offline in problem(BOUND, BOUND_PROOF | {"online_cpus": online})


@pytest.mark.parametrize("policy", ["default", "bind:0", "bind:0-1", "prefer:1", "interleave:0-1"])
def test_a_different_policy_on_one_mapping_is_a_problem(policy: str) -> None:
    message = problem(BOUND, BOUND_PROOF | {"policies": {"bind:1": 311, policy: 1}})
    assert f"1 of 312 mappings has the memory policy {policy} instead of bind:1" in message


def test_a_memory_policy_is_a_problem_where_none_was_set() -> None:
    assert "bind:0 instead of default" in problem(UNBOUND, UNBOUND_PROOF | {"policies": {"default": 1, "bind:0": 2}})


@pytest.mark.parametrize(
    ("placement", "proof", "pages"),
    [(BOUND, BOUND_PROOF, {"1": 989, "0": 11}), (BOUND, BOUND_PROOF, {"0": 1}), (UNBOUND, UNBOUND_PROOF, {"1": 500})],
)
def test_memory_on_another_node_is_a_problem(
    placement: Placement, proof: dict[str, Any], pages: dict[str, int]
) -> None:
    assert f"at least 99 % of its anonymous memory must be on node {placement.node}" in problem(
        placement, proof | {"anonymous_kb": pages}
    )


@pytest.mark.parametrize("key", BOUND_PROOF)
@pytest.mark.parametrize("value", [None, {}, 7, "x", {"1": "x"}, {"1": -1}, {"10": None}])
def test_missing_or_malformed_evidence_proves_nothing(key: str, value: object) -> None:
    assert key in problem(BOUND, BOUND_PROOF | {key: value}) or key == "thread_cpus"
    assert check_pinning(UNBOUND, UNBOUND_PROOF | {key: value})


def test_an_empty_proof_proves_nothing() -> None:
    assert len(check_pinning(BOUND, {})) == len(check_pinning(UNBOUND, {})) == 5


def test_a_kernel_without_numa_has_no_memory_to_check() -> None:
    none = {"policies": None, "anonymous_kb": None}
    assert check_pinning(UNBOUND, UNBOUND_PROOF | none) == []
    assert len(check_pinning(BOUND, BOUND_PROOF | none)) == 2
