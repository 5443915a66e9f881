"""Workers and ranks under launch prefixes that lie, and what the suite's proof says of each."""

import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Protocol

import msgspec

from perf.builds import Build, provision
from perf.cache import cache_folder
from perf.dist.launch.job import Cluster, Job, RankPlacement
from perf.dist.launch.running import run_job
from perf.dist.rank_group import misplaced
from perf.errors import WorkerError
from perf.files import ROOT
from perf.machine import Numactl, Placement, check_pinning, format_cpulist, place_instances, read_topology
from perf.measure.workers.instance import Instance
from perf.measure.workers.replies import Proof, Ready
from perf.worker.proof import summarise_numa_maps
from tests.numa.inside.wrappers import HONEST, numactl, spoiling

BARE = ROOT / "tests/numa/bare_worker.py"
# Ten imports of MXNet, each of which takes half a minute here.
TIMEOUT_S = 1500.0
MOVED_TIMEOUT_S = 60.0


class Worker(Protocol):
    """A process that proves where it runs."""

    @property
    def pid(self) -> int:
        """Return its process id."""

    def wait_until_ready(self) -> None:
        """Wait until it has started. Raises WorkerError when it ends instead."""

    def prove(self) -> dict[str, Any]:
        """Return its proof (perf.machine.proof)."""

    def close(self) -> None:
        """End it."""


class BareWorker:
    """A worker without MXNet (bare_worker.py)."""

    def __init__(self, placement: Placement) -> None:
        self._process = subprocess.Popen(
            [*placement.prefix, sys.executable, "-P", str(BARE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until_ready(self) -> None:
        if self._line() != "ready\n":
            raise WorkerError(f"the worker exited with code {self._process.wait()}", "")

    def prove(self) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        proof: dict[str, Any] = json.loads(self._line())
        return proof

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@cache
def native() -> Build:
    """Return the build; asking for it imports MXNet once more, to check it."""
    return provision("native", override=None, cache=cache_folder(None), say=print)


class RealWorker:
    """One of the suite's own: perf.worker in the native build, which has imported MXNet."""

    def __init__(self, placement: Placement) -> None:
        self._instance = Instance(native(), placement, Path(mkdtemp(), "log"), timeout_s=TIMEOUT_S)

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


WORKERS: dict[str, Callable[[Placement], Worker]] = {"bare": BareWorker, "real": RealWorker}


def of_lies(kinds: Sequence[str], worker: str) -> dict[str, list[str]]:
    """Start an instance under each kind of numactl, all at the same time; return what the proof finds, by kind.

    They take turns on the two nodes: the first is instance 0, the second instance 1 and so on.
    """
    topology = read_topology()
    started: dict[str, tuple[Placement, Worker]] = {}
    with ExitStack() as stack:
        for number, kind in enumerate(kinds):
            placement = place_instances(topology, numactl=numactl(kind))[number % len(topology.nodes)]
            started[kind] = (placement, _start(stack, worker, placement))
        problems = {}
        for kind, (placement, running) in started.items():
            running.wait_until_ready()
            if kind == "migrate":
                _wait_until_moved(running.pid, placement.node)
            problems[kind] = check_pinning(placement, running.prove())
        return problems


def of_spoiled(what: str, worker: str) -> list[str]:
    """Return what the proof finds of instance 1 when something in its process spoils an honest launch prefix: "thread"
    or "pages" (spoiled/sitecustomize.py), or when its pages are "moved" from outside after binding.
    """
    placement = place_instances(read_topology(), numactl=numactl(HONEST))[1]
    inside = what in {"thread", "pages"}
    launch = (*placement.prefix, *spoiling(what, placement.node)) if inside else placement.prefix
    with ExitStack() as stack:
        running = _start(stack, worker, dataclasses.replace(placement, prefix=launch))
        running.wait_until_ready()
        if what == "moved":
            subprocess.run(["migratepages", str(running.pid), "1", "0"], check=True)
        return check_pinning(placement, running.prove())


def of_mask(cpus: Sequence[int]) -> list[str]:
    """Return the placements under this CPU mask, each as a line, and what the proofs of their workers find."""
    os.sched_setaffinity(0, cpus)
    return of_placements(place_instances(read_topology(), numactl=numactl(HONEST)))


def of_placements(placements: Sequence[Placement]) -> list[str]:
    """Start a bare worker on each placement; return the placements as lines, and then what the proofs find."""
    problems = []
    with ExitStack() as stack:
        started = [(placement, _start(stack, "bare", placement)) for placement in placements]
        for placement, worker in started:
            try:
                worker.wait_until_ready()
                problems += check_pinning(placement, worker.prove())
            except WorkerError as error:
                problems.append(f"instance {placement.instance}: {error.what}")
    return [*(placement.describe() for placement in placements), *problems]


def of_ranks(kinds: Sequence[str]) -> list[tuple[int, str, list[str]]]:
    """Run an allreduce job with a rank under each kind of numactl; return each rank's node, CPUs and problems."""
    topology = read_topology()
    placed = place_instances(topology, instances=len(kinds), numactl=Numactl("/usr/bin/numactl"))
    placements = tuple(
        RankPlacement(None, dataclasses.replace(placement, prefix=(numactl(kind).path or "", *placement.prefix[1:])))
        for kind, placement in zip(kinds, placed, strict=True)
    )
    job = Job(
        build=provision("mkl-dist", override=None, cache=cache_folder(None), say=print),
        cluster=Cluster(),
        rank_placements=placements,
        program="perf.worker.rank.allreduce",
        arguments={"sizes_bytes": [4096], "repeats": 2, "warm_up": 1},
        deadline_s=TIMEOUT_S,
    )
    job = dataclasses.replace(job, timeouts=job.timeouts.extended(TIMEOUT_S))
    results = run_job(job, Path(mkdtemp()))
    problems = misplaced(results, placements)
    return [
        (
            rank.placement.node,
            format_cpulist(rank.placement.cpus),
            [problem for problem in problems if problem.startswith(f"rank {number} ")],
        )
        for number, rank in enumerate(placements)
    ]


def _start(stack: ExitStack, worker: str, placement: Placement) -> Worker:
    started = WORKERS[worker](placement)
    stack.callback(started.close)
    return started


def _wait_until_moved(pid: int, node: int) -> None:
    """Wait until a process has more memory on the other node."""
    deadline_s = time.monotonic() + MOVED_TIMEOUT_S
    while time.monotonic() < deadline_s:
        pages = summarise_numa_maps(Path(f"/proc/{pid}/numa_maps").read_text())[1]
        if pages.get(str(1 - node), 0) > pages.get(str(node), 0):
            return
        time.sleep(0.1)
    raise TimeoutError(f"the pages of process {pid} were not moved")
