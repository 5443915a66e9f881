"""What the suite sees of the guest."""

import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from perf.files import ROOT
from perf.machine import find_numactl, place_instances, read_topology


def seen() -> dict[str, Any]:
    """Return the nodes with their CPUs, the numactl that the suite finds, and where it places instances."""
    topology = read_topology()
    numactl = find_numactl(topology)
    return {
        "nodes": [[node.id, list(node.cpus)] for node in topology.nodes],
        "numactl": numactl.path,
        "placements": [placement.describe() for placement in place_instances(topology, numactl=numactl)],
    }


def tests(paths: Sequence[str]) -> dict[str, Any]:
    """Run the project's own tests in `paths`; return pytest's exit code and what it printed."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *paths]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return {"code": done.returncode, "output": done.stdout + done.stderr}
