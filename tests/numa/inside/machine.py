"""What the suite sees of the guest."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from perf.files import ROOT
from perf.machine import find_numactl, place_instances, read_topology

# The suite's own tests that read the nodes and CPUs of the machine that they run on; those of MACHINES never skip here.
MACHINES = "tests/unit/machine"
TESTS = (
    MACHINES,
    "tests/unit/cli/test_doctor.py",
    "tests/unit/plugin/test_annotated_sessions.py",
    "tests/unit/plugin/test_collection.py",
    "tests/unit/worker/test_disturbance.py",
    "tests/unit/worker/test_proof.py",
)


def seen() -> dict[str, Any]:
    """Return the nodes with their CPUs, the numactl that the suite finds, and where it places instances."""
    topology = read_topology()
    numactl = find_numactl(topology)
    return {
        "nodes": [[node.id, list(node.cpus)] for node in topology.nodes],
        "numactl": numactl.path,
        "placements": [placement.describe() for placement in place_instances(topology, numactl=numactl)],
    }


def run(command: Sequence[str], variables: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Run a command in the checkout, with `variables` set; return its exit code and what it printed."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **(variables or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return {"code": done.returncode, "output": done.stdout}
