"""Where each instance runs: pure planning over a topology. `proof` checks what really happened."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from perf.errors import PerfError
from perf.machine.numactl import Numactl
from perf.machine.topology import Node, Topology, format_cpulist
from perf.wording import counted

# A core, as its hardware threads.
Core = tuple[int, ...]


@dataclass(frozen=True)
class Placement:
    """Where one instance or rank runs, and how it gets there.

    instance: its number.
    node: its NUMA node.
    cpus: its CPUs, ascending.
    threads: its number of OpenMP threads.
    method: "numactl", or "affinity" when the worker sets its own CPU mask and its memory is not bound.
    prefix: what stands before the worker's command; empty for "affinity".
    unbound: why its memory is not bound; "" for "numactl".
    """

    instance: int
    node: int
    cpus: tuple[int, ...]
    threads: int
    method: Literal["numactl", "affinity"]
    prefix: tuple[str, ...]
    unbound: str = ""

    def describe(self) -> str:
        """Return one line for the report's header: "instance 0: node 0, CPUs 0-23, 24 threads, numactl"."""
        cpus = f"{'CPU' if len(self.cpus) == 1 else 'CPUs'} {format_cpulist(self.cpus)}"
        line = f"instance {self.instance}: node {self.node}, {cpus}, {counted(self.threads, 'thread')}, {self.method}"
        return f"{line}; memory is not bound because {self.unbound}" if self.unbound else line


def place_instances(
    topology: Topology, *, instances: int | None = None, threads: int | None = None, numactl: Numactl
) -> tuple[Placement, ...]:
    """Give each instance cores of its own: by default one instance per node, one thread per physical core.

    `instances` are dealt to the nodes in turn, and each node's cores are split evenly into disjoint contiguous parts.
    `threads` is the number of OpenMP threads of every instance: fewer than its cores leave cores unused, more add
    siblings. Raises PerfError for counts that do not fit, and for several nodes without a working numactl.
    """
    count = len(topology.nodes) if instances is None else instances
    _check_counts(topology, count, threads)
    if numactl.path is None and len(topology.nodes) > 1:
        raise PerfError(
            f"{len(topology.nodes)} NUMA nodes need memory binding, but {numactl.problem}",
            subject="pinning",
            next_step=numactl.remedy,
        )
    placements = []
    for instance, (node, cores) in enumerate(_deal_cores(topology, count)):
        wanted = len(cores) if threads is None else threads
        cpus = _pick_cpus(cores, wanted)
        if len(cpus) < wanted:
            raise PerfError(
                f"instance {instance} cannot run {counted(wanted, 'thread')}: its part of node {node.id} has "
                f"{counted(len(cpus), 'hardware thread')}",
                subject="pinning",
                next_step=f"use at most {counted(len(cpus), 'thread')}, or fewer instances",
            )
        placements.append(_place(instance, node, cpus, numactl))
    return tuple(placements)


def _check_counts(topology: Topology, instances: int, threads: int | None) -> None:
    if instances < 1 or (threads is not None and threads < 1):
        count = counted(instances, "instance") if instances < 1 else counted(threads or 0, "thread")
        raise PerfError(f"{count} cannot measure anything", subject="pinning", next_step="use at least 1")
    if instances > topology.physical_cores:
        raise PerfError(
            f"{counted(instances, 'instance')} need a physical core each, and "
            f"{counted(topology.physical_cores, 'core')} can be used",
            subject="pinning",
            next_step=f"use at most {counted(topology.physical_cores, 'instance')}",
        )


def _deal_cores(topology: Topology, count: int) -> list[tuple[Node, tuple[Core, ...]]]:
    """Return each instance's node and cores, by instance."""
    order: list[Node] = []
    while len(order) < count:
        # A mask can leave nodes of unequal size: a node with an instance on every core gets no more.
        room = [node for node in topology.nodes if order.count(node) < len(node.cores)]
        order += room[: count - len(order)]
    parts = {node.id: iter(_split(node.cores, order.count(node))) for node in topology.nodes if node in order}
    return [(node, next(parts[node.id])) for node in order]


def _split(cores: tuple[Core, ...], parts: int) -> list[tuple[Core, ...]]:
    """Split into contiguous parts whose sizes differ by at most one core."""
    bounds = [len(cores) * part // parts for part in range(parts + 1)]
    return [cores[start:end] for start, end in pairwise(bounds)]


def _pick_cpus(cores: tuple[Core, ...], wanted: int) -> tuple[int, ...]:
    """Return the first hardware thread of every core, then the second ones and so on, until there are `wanted`.

    The mask itself must keep threads apart: the native build's OpenMP binds nothing, so with siblings in the mask the
    scheduler may put two threads on one core and leave another idle.
    """
    depth = max(len(core) for core in cores)
    by_level = [core[level] for level in range(depth) for core in cores if level < len(core)]
    return tuple(sorted(by_level[:wanted]))


def _place(instance: int, node: Node, cpus: tuple[int, ...], numactl: Numactl) -> Placement:
    prefix = numactl.prefix(node.id, cpus)
    if prefix:
        return Placement(instance, node.id, cpus, len(cpus), "numactl", prefix)
    # The mask may leave one node of a larger machine; the kernel then still prefers that node's memory.
    unbound = f"there is one usable node and {numactl.problem}"
    return Placement(instance, node.id, cpus, len(cpus), "affinity", (), unbound)


def ranks_per_host(topology: Topology, wanted: int | None) -> int:
    """Return how many ranks run on a host: as many as `wanted`, else one for each NUMA node, as in the announcement,
    and two at least where there are two cores.

    Raises PerfError when `wanted` exceeds the number of cores.
    """
    cores = topology.physical_cores
    if wanted is not None and wanted > cores:
        what = f"{counted(wanted, 'rank')} need a core each, and {counted(cores, 'core')} can be used"
        raise PerfError(what, subject="--perf-ranks", next_step=f"use at most --perf-ranks={cores}")
    return wanted or min(max(2, len(topology.nodes)), cores)
