"""What the suite sees of the guest, and its own tests of machines there."""

import sys

import pytest

from tests.numa.guest import Guest
from tests.numa.inside import machine


def test_both_nodes_and_numactl_are_seen(guest: Guest) -> None:
    seen = guest.call(machine.seen)
    assert seen == {
        "nodes": [[0, [0, 1]], [1, [2, 3]]],
        "numactl": "/usr/bin/numactl",
        "placements": [
            "instance 0: node 0, CPUs 0-1, 2 threads, numactl",
            "instance 1: node 1, CPUs 2-3, 2 threads, numactl",
        ],
    }


@pytest.mark.slow
def test_the_tests_of_machines_pass_without_a_skip(guest: Guest) -> None:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "tests/unit/machine"]
    finished = guest.call(machine.run, command=command, timeout_s=1800)
    assert finished["code"] == 0, finished["output"]
    assert "skipped" not in finished["output"]
