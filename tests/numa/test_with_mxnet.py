"""What takes MXNet in the guest, or the suite's own tests: workers and ranks that lie, and measured sessions.

It comes after the other tests, and keeps the guest busy for minutes.
"""

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from tests.numa.conftest import NETWORK, Builds
from tests.numa.guest import Guest
from tests.numa.inside import machine, real, runs
from tests.numa.lies import LIES, LIES_TO_MXNET, LIES_TO_RANKS, NODE_CPUS, RANKS, SPOILS, check
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
MACHINE_TESTS = (
    *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "--hypothesis-profile=emulated"),
    *machine.TESTS,
)

# The kernel's log, which names the cause, can be read there.
ENDED = "the worker was ended by SIGKILL: memory ran out (dmesg)"

Problems = dict[str, list[str]]
Ranks = list[list[tuple[int, str, list[str]]]]


class Begun(NamedTuple):
    """What waits for calls that take minutes. All have begun: each of them alone leaves CPUs of the guest unused.

    without_numactl: a session where numactl is not installed.
    machine: the tests that look at the machine.
    problems: problems by lie and spoil; all workers start together.
    ranks: of each rank, its node, its CPUs and its problems, job by job.
    """

    without_numactl: Callable[[], dict[str, Any]]
    machine: Callable[[], dict[str, Any]]
    problems: Callable[[], Problems]
    ranks: Callable[[], Ranks]


@pytest.fixture(scope="module")
def begun(guest: Guest, builds: Builds) -> Begun:
    return Begun(
        guest.start(runs.without_numactl, options=NETWORKS[1:], timeout_s=HANG_S),
        guest.start(machine.run, command=MACHINE_TESTS, timeout_s=HANG_S),
        guest.start(real.proofs, build=builds["native"], lies=LIES_TO_MXNET, spoils=list(SPOILS), timeout_s=HANG_S),
        guest.start(real.of_ranks, build=builds["mkl-dist"], jobs=RANKS, timeout_s=HANG_S),
    )


@pytest.mark.parametrize("kind", LIES_TO_MXNET)
def test_a_numactl_that_lies_to_a_worker_is_found_out(begun: Begun, kind: str) -> None:
    node = LIES_TO_MXNET.index(kind) % 2
    check(begun.problems()[kind], LIES[kind], f"instance {node}: ", node, NODE_CPUS[node], NODE_CPUS[1 - node])


@pytest.mark.parametrize("what", SPOILS)
def test_what_happens_to_a_worker_after_its_launch_is_found(begun: Begun, what: str) -> None:
    check(begun.problems()[what], [SPOILS[what]], "instance 1: ", 1, NODE_CPUS[1], NODE_CPUS[0])


@pytest.mark.parametrize("job", range(len(RANKS)))
def test_lies_to_ranks_are_found_out(begun: Begun, job: int) -> None:
    """One job has as many ranks as cores, each under its own kind of numactl."""
    for rank, (kind, (node, cpus, observed)) in enumerate(zip(RANKS[job], begun.ranks()[job], strict=True)):
        swapped = cpus.translate(str.maketrans("0123", "2301"))
        who = f"rank {rank} on this host: instance {rank}: "
        check(observed, LIES_TO_RANKS[kind], who, node, cpus, swapped)


def test_a_session_without_numactl_says_what_to_install(begun: Begun) -> None:
    finished = begun.without_numactl()
    assert finished["code"] not in {0, 1}, finished["output"]
    assert "pinning: 2 NUMA nodes need memory binding, but numactl is not installed" in finished["output"]
    assert "next: apt-get install numactl" in finished["output"]
    assert "Traceback" not in finished["output"]


def test_the_tests_that_look_at_the_machine_pass(begun: Begun) -> None:
    """None of them takes one node for granted, and those of machines are all run."""
    finished = begun.machine()
    assert finished["code"] == 0, finished["output"]
    skipped = [line for line in finished["output"].splitlines() if line.startswith("SKIPPED")]
    assert not [line for line in skipped if machine.MACHINES in line]


def test_a_convolutional_and_a_recurrent_network_are_measured_on_both_nodes(guest: Guest, begun: Begun) -> None:
    """Sum and mean are computed again from the journal."""
    for result in begun:
        result()  # threads that wait for each other take all of the CPUs, if nothing else does
    measured = guest.call(runs.measure, options=MEASURED, timeout_s=HANG_S)
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


def test_a_worker_for_which_its_node_has_no_memory_is_an_error(guest: Guest, builds: Builds, begun: Begun) -> None:
    for result in begun:
        result()  # none of these needs memory there any more
    assert guest.call(real.full_node, build=builds["native"], timeout_s=HANG_S) == ENDED
