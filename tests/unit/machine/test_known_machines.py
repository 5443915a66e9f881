"""Machines that we do not have, read from trees as the kernel shows them, and by lscpu on the same trees."""

import json
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from perf.files import ROOT
from perf.machine.topology import read_topology
from tests.support.machines.known import launch_lines, machines, section, write_tree

PAGE = ROOT / "docs/explanation/machines.md"
MACHINES = machines()


@pytest.mark.skipif(shutil.which("lscpu") is None, reason="there is no lscpu here (util-linux)")
@pytest.mark.parametrize("name", MACHINES)
def test_lscpu_sees_the_same_machine(tmp_path: Path, name: str) -> None:
    topology = read_topology(write_tree(tmp_path, MACHINES[name]), range(128))
    command = ["lscpu", "-s", str(tmp_path), "-J", "-b", "-e=CPU,CORE,NODE"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout
    cores: dict[tuple[int, int], list[int]] = defaultdict(list)
    for cpu in json.loads(printed)["cpus"]:
        cores[int(cpu["node"]), int(cpu["core"])].append(int(cpu["cpu"]))
    seen = {(node, tuple(sorted(cpus))) for (node, _), cpus in cores.items()}
    assert seen == {(node.id, core) for node in topology.nodes for core in node.cores}


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        (
            "C5.24xlarge and C5.metal",
            [
                "OMP_NUM_THREADS=24 numactl --cpunodebind=0 --physcpubind=0-23 --membind=0",
                "OMP_NUM_THREADS=24 numactl --cpunodebind=1 --physcpubind=24-47 --membind=1",
            ],
        ),
        (
            "C5.24xlarge, CPUs 5, 47 and 53 offline",
            [
                "OMP_NUM_THREADS=23 numactl --cpunodebind=0 --physcpubind=0-4,6-23 --membind=0",
                "OMP_NUM_THREADS=24 numactl --cpunodebind=1 --physcpubind=24-46,95 --membind=1",
            ],
        ),
        (
            "C5.12xlarge with a memory-only node",
            ["OMP_NUM_THREADS=24 numactl --cpunodebind=0 --physcpubind=0-23 --membind=0"],
        ),
    ],
)
def test_each_node_with_cpus_has_an_instance_with_a_thread_a_core(tmp_path: Path, name: str, lines: list[str]) -> None:
    assert launch_lines(read_topology(write_tree(tmp_path, MACHINES[name]), range(128))) == lines


def test_the_page_shows_what_the_suite_would_start() -> None:
    assert section() in PAGE.read_text(), "write it with: uv run python -m tests.support.machines.known"
