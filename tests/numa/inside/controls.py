"""Refusals, containers that take CPUs or memory away, and a node without free memory."""

import dataclasses
import os
import subprocess
from pathlib import Path

from perf.errors import PerfError, WorkerError
from perf.machine import find_numactl, format_cpulist, place_instances, read_topology
from tests.numa.inside.proofs import RealWorker, of_placements
from tests.numa.inside.wrappers import HONEST, enter_cpuset, folder_of, numactl, path_without_numactl

# Leave the node less than MXNet's import needs, but enough for filling it.
LEFT_FREE_KB = 48 << 10
CHUNK = bytes(4 << 20)


def refusal(kind: str) -> list[str]:
    """Put a numactl that lies in this way first on PATH, or none for "missing"; return the placements, or how the suite
    refuses: what happened, and the next step.
    """
    os.environ["PATH"] = path_without_numactl() if kind == "missing" else f"{folder_of(kind)}:{os.environ['PATH']}"
    topology = read_topology()
    try:
        placements = place_instances(topology, numactl=find_numactl(topology))
    except PerfError as error:
        return [error.what, error.next_step or ""]
    return [placement.describe() for placement in placements]


def container(cpus: str, memory: str) -> list[str]:
    """Enter a cpuset with these CPUs and memory nodes; return the placements and the problems of their proofs, or how
    the suite refuses.
    """
    enter_cpuset(f"container-{cpus}-{memory}", cpus, memory)
    topology = read_topology()
    try:
        return of_placements(place_instances(topology, numactl=find_numactl(topology)))
    except PerfError as error:
        return [error.what, error.next_step or ""]


def narrowed() -> list[str]:
    """Plan for both nodes, lose CPU 1, and start: the kernel cuts the mask down and reports success. Return what is
    found, with the placements first.
    """
    placements = place_instances(read_topology(), numactl=numactl(HONEST))
    enter_cpuset("narrowed", "0,2-3", "0-1")
    # numactl itself notices a CPU that is gone, the kernel's own call does not.
    masked = [
        dataclasses.replace(
            placement,
            prefix=(
                "taskset",
                "--cpu-list",
                format_cpulist(placement.cpus),
                numactl(HONEST).path or "",
                f"--membind={placement.node}",
            ),
        )
        for placement in placements
    ]
    return of_placements(masked)


def full_node() -> str:
    """Fill node 1, start instance 1, and return how that ends."""
    Path("/proc/self/oom_score_adj").write_text("-1000")
    folder = Path("/run/full")
    folder.mkdir()
    # No process has these pages, so that ending one does not free them.
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=90%,mpol=bind:1", "tmpfs", str(folder)], check=True)
    try:
        _fill(folder / "ballast")
        placement = place_instances(read_topology(), numactl=numactl(HONEST))[1]
        # Only this worker may be the victim.
        prefix = ("choom", "--adjust", "1000", "--", *placement.prefix)
        worker = RealWorker(dataclasses.replace(placement, prefix=prefix))
        try:
            worker.wait_until_ready()
        except WorkerError as error:
            return error.what
        finally:
            worker.close()
        return "it started"
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file:
        while _free_kb(1) > LEFT_FREE_KB:
            file.write(CHUNK)


def _free_kb(node: int) -> int:
    text = Path(f"/sys/devices/system/node/node{node}/meminfo").read_text()
    return int(next(line.split()[3] for line in text.splitlines() if "MemFree" in line))
