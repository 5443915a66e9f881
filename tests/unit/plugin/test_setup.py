"""Where a session's instances run: one on each NUMA node."""

from pathlib import Path

import pytest

from perf.errors import UnavailableError
from perf.machine.topology import Topology, read_topology
from tests.support.fake_sysfs import write_c5_metal
from tests.support.inline import ONE_NODE, run_inline

ON_C5_METAL = [
    "instance 0: node 0, CPUs 0-23, 24 threads, numactl",
    "instance 1: node 1, CPUs 24-47, 24 threads, numactl",
]


def placements_in_header(folder: Path, topology: Topology) -> list[str]:
    """What the header of a session on this machine says of its instances."""

    def provide(role: str, **_: object) -> None:
        raise UnavailableError("there is no compiler", subject=role, next_step="")

    finished = run_inline(
        folder,
        *("perf/dist/test_scaling.py", "--perf-tier=smoke", "-k", "not 2hosts", "--perf-ranks=2"),
        provide=provide,  # type: ignore[arg-type]
        topology=topology,
    )
    assert finished.code == pytest.ExitCode.OK, finished.output
    header = finished.output.partition("short test summary info")[0]
    return list(dict.fromkeys(line for line in header.splitlines() if line.startswith("instance ")))


def test_a_machine_with_two_numa_nodes_runs_an_instance_on_each(tmp_path: Path) -> None:
    topology = read_topology(write_c5_metal(tmp_path), range(96))
    assert placements_in_header(tmp_path, topology) == ON_C5_METAL


def test_a_machine_with_one_node_runs_one_instance(tmp_path: Path) -> None:
    (placement,) = placements_in_header(tmp_path, ONE_NODE)
    assert placement.startswith("instance 0: node 0, CPUs 0-1, 2 threads, ")
