"""Processes under launch prefixes that lie or spoil, and what the suite's proof says of each."""

import dataclasses
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

from perf.errors import WorkerError
from perf.machine import Placement, check_pinning, place_instances, read_topology
from perf.worker.proof import summarise_numa_maps
from tests.numa.inside.wrappers import HONEST, numactl, spoiling

MOVED_TIMEOUT_S = 60.0
# The instance whose process is spoiled: the second node shows more than the first, where memory is by default.
SPOILED = 1


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


Start = Callable[[Placement], Worker]


def of_lies_and_spoils(start: Start, lies: Sequence[str], spoils: Sequence[str]) -> dict[str, list[str]]:
    """Start an instance under each kind of numactl, and one under an honest numactl for each way to spoil it, all at
    the same time; return what the proof finds, by kind and way.

    Under lies, they take turns on the two nodes: the first is instance 0, the second instance 1 and so on. One
    is spoiled from inside ("thread" or "pages", spoiled/sitecustomize.py), or its pages moved from outside ("moved").
    """
    topology = read_topology()
    honest = place_instances(topology, numactl=numactl(HONEST))[SPOILED]
    started: dict[str, tuple[Placement, Worker]] = {}
    with ExitStack() as stack:
        for number, kind in enumerate(lies):
            placement = place_instances(topology, numactl=numactl(kind))[number % len(topology.nodes)]
            started[kind] = (placement, _started(stack, start, placement))
        for what in spoils:
            launch = (*honest.prefix, *(() if what == "moved" else spoiling(what, honest.node)))
            started[what] = (honest, _started(stack, start, dataclasses.replace(honest, prefix=launch)))
        problems = {}
        for name, (placement, worker) in started.items():
            worker.wait_until_ready()
            if name == "moved":
                subprocess.run(["migratepages", str(worker.pid), str(SPOILED), str(1 - SPOILED)], check=True)
            elif name == "migrate":
                _wait_until_moved(worker.pid, placement.node)
            problems[name] = check_pinning(placement, worker.prove())
        return problems


def of_placements(
    start: Start, placements: Sequence[Placement], meanwhile: Callable[[], object] = lambda: None
) -> list[str]:
    """Start a process on each placement, and call `meanwhile` when they run; return the placements as lines, and then
    what the proofs find.
    """
    problems, running = [], []
    with ExitStack() as stack:
        started = [(placement, _started(stack, start, placement)) for placement in placements]
        for placement, worker in started:
            try:
                worker.wait_until_ready()
                running.append((placement, worker))
            except WorkerError as error:
                problems.append(f"instance {placement.instance}: {error.what}")
        meanwhile()
        for placement, worker in running:
            problems += check_pinning(placement, worker.prove())
    return [*(placement.describe() for placement in placements), *problems]


def _started(stack: ExitStack, start: Start, placement: Placement) -> Worker:
    worker = start(placement)
    stack.callback(worker.close)
    return worker


def _wait_until_moved(pid: int, node: int) -> None:
    """Wait until a process has more memory on the other node."""
    deadline_s = time.monotonic() + MOVED_TIMEOUT_S
    while time.monotonic() < deadline_s:
        pages = summarise_numa_maps(Path(f"/proc/{pid}/numa_maps").read_text())[1]
        if pages.get(str(1 - node), 0) > pages.get(str(node), 0):
            return
        time.sleep(0.1)
    raise TimeoutError(f"the pages of process {pid} were not moved")
