"""Proofs of the suite's own workers and ranks, which have imported MXNet, and a worker whose node has no memory."""

import dataclasses
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import msgspec

from perf.builds import Build
from perf.dist.launch.job import Cluster, Job, RankPlacement
from perf.dist.launch.running import run_job
from perf.dist.rank_group import misplaced
from perf.errors import WorkerError
from perf.machine import Numactl, Placement, format_cpulist, place_instances, read_topology
from perf.measure.workers.instance import Instance
from perf.measure.workers.replies import Proof, Ready
from tests.numa.inside.proofs import SPOILED, of_lies_and_spoils
from tests.numa.inside.wrappers import HONEST, numactl

# As many imports of MXNet as there are lies, each of which takes half a minute here.
TIMEOUT_S = 1500.0
# Leave the node less than MXNet's import needs, but enough for filling it.
LEFT_FREE_KB = 48 << 10
CHUNK = bytes(4 << 20)


class RealWorker:
    """One of the suite's own: perf.worker in a build, which has imported MXNet."""

    def __init__(self, build: Build, placement: Placement) -> None:
        self._instance = Instance(build, placement, Path(mkdtemp(), "log"), timeout_s=TIMEOUT_S)

    @property
    def pid(self) -> int:
        return self._instance.pid

    def wait_until_ready(self) -> None:
        self._instance.receive(Ready)

    def prove(self) -> dict[str, Any]:
        proof: dict[str, Any] = msgspec.to_builtins(self._instance.ask(Proof, "prove"))
        return proof

    def close(self) -> None:
        self._instance.close()


def proofs(build: Mapping[str, Any], lies: Sequence[str], spoils: Sequence[str]) -> dict[str, list[str]]:
    """Return what the proofs find under lies and spoils."""
    probed = _probed(build)
    return of_lies_and_spoils(lambda placement: RealWorker(probed, placement), lies, spoils)


def of_ranks(build: Mapping[str, Any], jobs: Sequence[Sequence[str]]) -> list[list[tuple[int, str, list[str]]]]:
    """Run allreduce jobs, one after the other, with a rank under each of a job's kinds of numactl; return each rank's
    node, CPUs and problems, job by job.
    """
    return [_of_ranks(_probed(build), kinds) for kinds in jobs]


def _probed(build: Mapping[str, Any]) -> Build:
    """Return a build that the host has probed: importing MXNet once more takes half a minute here."""
    return msgspec.convert(build, Build, dec_hook=lambda kind, value: kind(value))


def _of_ranks(build: Build, kinds: Sequence[str]) -> list[tuple[int, str, list[str]]]:
    placed = place_instances(read_topology(), instances=len(kinds), numactl=Numactl("/usr/bin/numactl"))
    placements = tuple(
        RankPlacement(None, dataclasses.replace(placement, prefix=(numactl(kind).path or "", *placement.prefix[1:])))
        for kind, placement in zip(kinds, placed, strict=True)
    )
    job = Job(
        build=build,
        cluster=Cluster(),
        rank_placements=placements,
        program="perf.worker.rank.allreduce",
        arguments={"sizes_bytes": [4096], "repeats": 2, "warm_up": 1},
        deadline_s=TIMEOUT_S,
    )
    job = dataclasses.replace(job, timeouts=job.timeouts.extended(TIMEOUT_S))
    problems = misplaced(run_job(job, Path(mkdtemp())), placements)
    return [
        (
            rank.placement.node,
            format_cpulist(rank.placement.cpus),
            [problem for problem in problems if problem.startswith(f"rank {number} ")],
        )
        for number, rank in enumerate(placements)
    ]


def full_node(build: Mapping[str, Any]) -> str:
    """Fill node 1, start instance 1, and return how that ends."""
    Path("/proc/self/oom_score_adj").write_text("-1000")
    folder = Path("/run/full")
    folder.mkdir()
    # No process has these pages, so that ending one does not free them.
    options = f"size=90%,mpol=bind:{SPOILED}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        _fill(folder / "ballast")
        placement = place_instances(read_topology(), numactl=numactl(HONEST))[SPOILED]
        # Only this worker may be the victim.
        prefix = ("choom", "--adjust", "1000", "--", *placement.prefix)
        worker = RealWorker(_probed(build), dataclasses.replace(placement, prefix=prefix))
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
        while _free_kb(SPOILED) > LEFT_FREE_KB:
            file.write(CHUNK)


def _free_kb(node: int) -> int:
    text = Path(f"/sys/devices/system/node/node{node}/meminfo").read_text()
    return int(next(line.split()[3] for line in text.splitlines() if "MemFree" in line))
