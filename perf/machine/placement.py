"""Where each instance runs: pure planning over a topology; what really happened is `proof`'s business."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from perf.errors import PerfError
from perf.machine.numactl import Numactl
from perf.machine.topology import Node, Topology, format_cpulist

Core = tuple[int, ...]  # its hardware threads


@dataclass(frozen=True)
class Placement:
    """One instance's node, CPUs (ascending) and OMP thread count, and how it is put there.

    `prefix` goes before the worker's command. With method "affinity" it is empty, the worker sets its own mask, and
    `unbound` says why its memory is not bound.
    """

    instance: int
    node: int
    cpus: tuple[int, ...]
    threads: int
    method: Literal["numactl", "affinity"]
    prefix: tuple[str, ...]
    unbound: str = ""

    def describe(self) -> str:
        """One line for the report's header, such as "instance 0: node 0, CPUs 0-23, 24 threads, numactl"."""
        cpus = f"CPU{'s' * (len(self.cpus) > 1)} {format_cpulist(self.cpus)}"
        threads = f"{self.threads} thread{'s' * (self.threads > 1)}"
        line = f"instance {self.instance}: node {self.node}, {cpus}, {threads}, {self.method}"
        return f"{line}; memory is not bound because {self.unbound}" if self.unbound else line


def place_instances(
    topology: Topology, *, instances: int | None = None, threads: int | None = None, numactl: Numactl
) -> tuple[Placement, ...]:
    """Give each instance its own cores: by default one instance per node, one thread per physical core.

    More `instances` than nodes go round the nodes in turn, and each node's cores are split into disjoint contiguous
    shares; fewer use the first nodes. `threads` is the OMP thread count of every instance: below the share's cores it
    narrows the share, above them it adds siblings. PerfError for counts that do not fit, and for several nodes
    without a working numactl.
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
    for instance, (node, cores) in enumerate(_deal_shares(topology, count)):
        wanted = len(cores) if threads is None else threads
        cpus = _pick_cpus(cores, wanted)
        if len(cpus) < wanted:
            raise PerfError(
                f"{wanted} threads do not fit instance {instance}: its share of node {node.id} has {len(cpus)} "
                f"hardware threads",
                subject="pinning",
                next_step=f"ask for at most {len(cpus)} threads, or for fewer instances",
            )
        placements.append(_place(instance, node, cpus, numactl))
    return tuple(placements)


def _check_counts(topology: Topology, instances: int, threads: int | None) -> None:
    if instances < 1 or (threads is not None and threads < 1):
        what = f"{instances} instances" if instances < 1 else f"{threads} threads"
        raise PerfError(f"{what} cannot measure anything", subject="pinning", next_step="ask for at least 1")
    if instances > topology.physical_cores:
        raise PerfError(
            f"{instances} instances do not fit {topology.physical_cores} usable physical cores: each needs its own",
            subject="pinning",
            next_step=f"ask for at most {topology.physical_cores} instances",
        )


def _deal_shares(topology: Topology, count: int) -> list[tuple[Node, tuple[Core, ...]]]:
    """Each instance's node and share of cores, in instance order."""
    order: list[Node] = []
    while len(order) < count:
        # A mask can leave nodes of unequal size: one that has an instance per core is passed over.
        room = [node for node in topology.nodes if order.count(node) < len(node.cores)]
        order += room[: count - len(order)]
    shares = {node.id: iter(_split(node.cores, order.count(node))) for node in topology.nodes if node in order}
    return [(node, next(shares[node.id])) for node in order]


def _split(cores: tuple[Core, ...], parts: int) -> list[tuple[Core, ...]]:
    """Contiguous shares whose sizes differ by at most one core."""
    bounds = [len(cores) * part // parts for part in range(parts + 1)]
    return [cores[start:end] for start, end in pairwise(bounds)]


def _pick_cpus(cores: tuple[Core, ...], wanted: int) -> tuple[int, ...]:
    """The first hardware thread of every core, then the second ones and so on, until there are `wanted`.

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
    # "to use": a mask may have left one node of a bigger machine; the kernel then still prefers that node's memory.
    return Placement(
        instance, node.id, cpus, len(cpus), "affinity", (), f"there is one node to use and {numactl.problem}"
    )


def ranks_per_host(topology: Topology, wanted: int | None) -> int:
    """How many ranks a host is divided into: one for each NUMA node, as the announcement did, two at least where there
    are two cores; or as many as wanted. PerfError when these are more than there are cores.
    """
    cores = topology.physical_cores
    if wanted is not None and wanted > cores:
        what = f"{wanted} ranks do not fit {cores} cores: each needs its own"
        raise PerfError(what, subject="--perf-ranks", next_step=f"ask for at most --perf-ranks={cores}")
    return wanted or min(max(2, len(topology.nodes)), cores)
