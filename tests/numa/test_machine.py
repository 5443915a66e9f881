"""What the suite sees of the guest."""

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
