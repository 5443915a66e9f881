"""What takes MXNet in the guest, or the suite's own tests: workers and ranks that lie, and measured sessions.

All of it starts together after the other tests: each of these calls keeps one or two CPUs busy for minutes.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.numa.conftest import NETWORK
from tests.numa.guest import Guest
from tests.numa.inside import machine, real, runs
from tests.numa.lies import LIES, LIES_TO_RANKS, NODE_CPUS, RANKS, SPOILS, check
from tests.support.session import check_sum_and_mean, slots_of

pytestmark = pytest.mark.slow
PLACEMENT = [
    "instance 0: node 0, CPUs 0-1, 2 threads, numactl",
    "instance 1: node 1, CPUs 2-3, 2 threads, numactl",
]
# Far longer than any call takes on a machine that other programs keep busy; what hangs takes longer.
HANG_S = 2400.0
WORKLOADS = (f"{NETWORK}-b1", "lstm-16-16-l2-n2-t5")
NETWORKS = ("perf/cnn/test_inference.py", "perf/rnn/test_inference.py")
# Calibrating INT8 takes minutes there.
MEASURED = (*NETWORKS, "--perf-batch=1", "-k", "not int8")


@dataclass(frozen=True)
class Calls:
    """What waits for the result of each call, and returns it."""

    networks: Callable[[], dict[str, Any]]
    proofs: Callable[[], dict[str, list[str]]]
    ranks: Callable[[], list[list[tuple[int, str, list[str]]]]]
    refusal: Callable[[], dict[str, Any]]
    suite: Callable[[], dict[str, Any]]


@pytest.fixture(scope="module")
def calls(guest: Guest) -> Calls:
    """The calls, started; those that take longest come first."""
    suite = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-n", "2", *machine.TESTS]
    return Calls(
        networks=guest.start(runs.measure, options=MEASURED, timeout_s=HANG_S),
        suite=guest.start(machine.run, command=suite, timeout_s=HANG_S),
        proofs=guest.start(real.proofs, lies=list(LIES), spoils=list(SPOILS), timeout_s=HANG_S),
        ranks=guest.start(real.of_ranks, jobs=RANKS, timeout_s=HANG_S),
        refusal=guest.start(runs.without_numactl, options=NETWORKS[1:], timeout_s=HANG_S),
    )


@pytest.mark.parametrize("kind", LIES)
def test_a_numactl_that_lies_to_a_worker_is_found_out(calls: Calls, kind: str) -> None:
    node = list(LIES).index(kind) % 2
    check(calls.proofs()[kind], LIES[kind], f"instance {node}: ", node, NODE_CPUS[node], NODE_CPUS[1 - node])


@pytest.mark.parametrize("what", SPOILS)
def test_what_happens_to_a_worker_after_its_launch_is_found(calls: Calls, what: str) -> None:
    check(calls.proofs()[what], [SPOILS[what]], "instance 1: ", 1, NODE_CPUS[1], NODE_CPUS[0])


@pytest.mark.parametrize("job", range(len(RANKS)))
def test_lies_to_ranks_are_found_out(calls: Calls, job: int) -> None:
    """One job has as many ranks as cores, each under its own kind of numactl."""
    for rank, (kind, (node, cpus, problems)) in enumerate(zip(RANKS[job], calls.ranks()[job], strict=True)):
        swapped = cpus.translate(str.maketrans("0123", "2301"))
        who = f"rank {rank} on this host: instance {rank}: "
        check(problems, LIES_TO_RANKS[kind], who, node, cpus, swapped)


def test_a_session_without_numactl_says_what_to_install(calls: Calls) -> None:
    finished = calls.refusal()
    assert finished["code"] not in {0, 1}, finished["output"]
    assert "pinning: 2 NUMA nodes need memory binding, but numactl is not installed" in finished["output"]
    assert "next: apt-get install numactl" in finished["output"]
    assert "Traceback" not in finished["output"]


def test_a_convolutional_and_a_recurrent_network_are_measured_on_both_nodes(calls: Calls) -> None:
    """Sum and mean are computed again from the journal."""
    measured = calls.networks()
    assert measured["code"] == 0, measured["output"]
    slots = slots_of(measured["journal"])
    stored = {
        f"{case['extra_info']['workload']} {case['extra_info']['variant']}": case for case in measured["benchmarks"]
    }
    cases = {f"{workload} {variant}" for workload in WORKLOADS for variant in ("native-fp32", "mkl-fp32")}
    assert stored.keys() == slots.keys() == cases
    for name, case in stored.items():
        assert case["extra_info"]["instances"] == 2
        assert case["extra_info"]["stack"]["placement"] == PLACEMENT
        check_sum_and_mean(case, slots[name])


def test_the_tests_that_look_at_the_machine_pass(calls: Calls) -> None:
    """None of them takes one node for granted, and those of machines are all run."""
    finished = calls.suite()
    assert finished["code"] == 0, finished["output"]
    skipped = [line for line in finished["output"].splitlines() if line.startswith("SKIPPED")]
    assert not [line for line in skipped if machine.MACHINES in line]


def test_a_worker_for_which_its_node_has_no_memory_is_an_error(guest: Guest, calls: Calls) -> None:
    """When no other call needs memory there any more."""
    for call in (calls.networks, calls.suite, calls.proofs, calls.ranks, calls.refusal):
        call()
    assert guest.call(real.full_node, timeout_s=HANG_S) == "the worker was ended by SIGKILL"
