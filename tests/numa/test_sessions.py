"""Sessions of the suite in the guest: two instances measured on two nodes, and what a user without numactl sees."""

from typing import Any

import pytest

from tests.numa.conftest import NETWORK
from tests.numa.guest import Guest
from tests.numa.inside import runs
from tests.support.session import check_sum_and_mean, slots_of

PLACEMENT = [
    "instance 0: node 0, CPUs 0-1, 2 threads, numactl",
    "instance 1: node 1, CPUs 2-3, 2 threads, numactl",
]
# Far longer than a session takes on a machine that other programs keep busy; what hangs takes longer.
HANG_S = 1800.0


def check_two_instances(measured: dict[str, Any], cases: set[str]) -> None:
    """All cases ran on both nodes; sum and mean are computed again from the journal."""
    assert measured["code"] == 0, measured["output"]
    slots = slots_of(measured["journal"])
    stored = {
        f"{case['extra_info']['workload']} {case['extra_info']['variant']}": case for case in measured["benchmarks"]
    }
    assert stored.keys() == slots.keys() == cases
    for name, case in stored.items():
        assert case["extra_info"]["instances"] == 2
        assert case["extra_info"]["stack"]["placement"] == PLACEMENT
        check_sum_and_mean(case, slots[name])


@pytest.mark.slow
def test_a_session_without_numactl_says_what_to_install(guest: Guest) -> None:
    finished = guest.call(runs.without_numactl, options=["perf/rnn/test_inference.py"], timeout_s=HANG_S)
    assert finished["code"] not in {0, 1}, finished["output"]
    assert "pinning: 2 NUMA nodes need memory binding, but numactl is not installed" in finished["output"]
    assert "next: apt-get install numactl" in finished["output"]
    assert "Traceback" not in finished["output"]


@pytest.mark.slow
def test_networks_are_measured_on_both_nodes(guest: Guest) -> None:
    """A convolutional and a recurrent one, in one session: starting one takes minutes here, and so does calibrating
    INT8, which is left out.
    """
    options = ["perf/cnn/test_inference.py", "perf/rnn/test_inference.py", "--perf-batch=1", "-k", "not int8"]
    measured = guest.call(runs.measure, options=options, timeout_s=HANG_S)
    workloads = (f"{NETWORK}-b1", "lstm-16-16-l2-n2-t5")
    check_two_instances(measured, {f"{one} {variant}" for one in workloads for variant in ("native-fp32", "mkl-fp32")})
