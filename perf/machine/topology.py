"""The CPUs that this process may use, grouped by NUMA node and physical core, from the kernel's sysfs."""

import os
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from perf.errors import PerfError

SYS_ROOT = Path("/sys")
_MOUNT = "check that sysfs is mounted on /sys and readable (in a container, do not hide /sys/devices/system)"
# No kernel numbers CPUs or nodes with more digits (NR_CPUS is at most 8192): a damaged range must not fill the memory.
_RANGE = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")
# The kernel renamed the file: old kernels have only the first name, and a later one may drop it.
_SIBLING_FILES = ("thread_siblings_list", "core_cpus_list")


@dataclass(frozen=True)
class Node:
    """A NUMA node.

    id: its number.
    cpus: its usable CPUs, ascending.
    cores: the same CPUs by physical core, each core as its hardware threads (siblings), ascending; cores are ordered by
        their first thread.
    """

    id: int
    cpus: tuple[int, ...]
    cores: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Topology:
    """The usable part of a machine.

    nodes: the nodes with at least one usable CPU, by id; never empty when made by `read_topology`.
    """

    nodes: tuple[Node, ...]

    @property
    def physical_cores(self) -> int:
        """Return the number of cores with at least one usable hardware thread."""
        return sum(len(node.cores) for node in self.nodes)

    @property
    def hardware_threads(self) -> int:
        """Return the number of usable CPUs in the kernel's sense."""
        return sum(len(node.cpus) for node in self.nodes)


def parse_cpulist(text: str) -> tuple[int, ...]:
    """Return the CPU numbers, ascending and unique, of a kernel list: "0-3,8" is (0, 1, 2, 3, 8), "" is ().

    Raises ValueError for anything else.
    """
    cpus: set[int] = set()
    for part in text.strip().split(",") if text.strip() else ():
        match = _RANGE.fullmatch(part)
        if match is None:
            raise ValueError(f"{text.strip()!r} is not a CPU list such as '0-3,8'")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise ValueError(f"{text.strip()!r} is not a CPU list: {part} runs backwards")
        cpus.update(range(first, last + 1))
    return tuple(sorted(cpus))


def format_cpulist(cpus: Iterable[int]) -> str:
    """Return CPU numbers (none negative) as the kernel and numactl write them: {0, 1, 2, 3, 8} is "0-3,8"."""
    ranges: list[tuple[int, int]] = []
    for cpu in sorted(set(cpus)):
        if ranges and ranges[-1][1] == cpu - 1:
            ranges[-1] = (ranges[-1][0], cpu)
        else:
            ranges.append((cpu, cpu))
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def read_cpulist(path: Path) -> tuple[int, ...]:
    """Return the CPU numbers in a kernel file. Raises PerfError, naming it, when it is unreadable or no CPU list."""
    try:
        return parse_cpulist(path.read_text(encoding="ascii"))
    except OSError as error:
        raise PerfError(f"cannot be read: {error.strerror}", subject=str(path), next_step=_MOUNT) from error
    except ValueError as error:  # a UnicodeDecodeError too
        raise PerfError(f"cannot be parsed: {error}", subject=str(path), next_step=_MOUNT) from error


def read_online(sys_root: Path = SYS_ROOT) -> tuple[int, ...]:
    """Return all online CPUs, whether this process may use them or not. Raises PerfError as `read_cpulist` does."""
    return read_cpulist(sys_root / "devices/system/cpu/online")


def read_topology(sys_root: Path = SYS_ROOT, allowed: Collection[int] | None = None) -> Topology:
    """Read the topology of the online CPUs in `allowed` (default: this process's affinity mask).

    The mask is respected, so that inside a container or under taskset only reachable CPUs are planned for. Nodes
    without a usable CPU (memory-only, or masked out) are dropped; a kernel without NUMA has one node 0. Raises
    PerfError when a file is unreadable or malformed, or when no CPU is left.
    """
    mask = os.sched_getaffinity(0) if allowed is None else set(allowed)
    usable = mask.intersection(read_online(sys_root))
    nodes = []
    for node_id, members in _read_members(sys_root, usable):
        cpus = tuple(sorted(usable.intersection(members)))
        if cpus:
            nodes.append(Node(node_id, cpus, _read_cores(sys_root, cpus)))
    if not nodes:
        raise PerfError(
            f"none of the allowed CPUs ({format_cpulist(mask) or 'none'}) is online and on a NUMA node",
            subject=str(sys_root / "devices/system"),
            next_step="widen the CPU mask: see `taskset -cp $$`, or the container's --cpuset-cpus",
        )
    return Topology(tuple(nodes))


def _read_members(sys_root: Path, usable: Iterable[int]) -> list[tuple[int, Iterable[int]]]:
    folders = (sys_root / "devices/system/node").glob("node[0-9]*")
    nodes = sorted((int(folder.name.removeprefix("node")), folder) for folder in folders if folder.name[4:].isdecimal())
    if not nodes:  # built without NUMA
        return [(0, usable)]
    return [(node_id, read_cpulist(folder / "cpulist")) for node_id, folder in nodes]


def _read_cores(sys_root: Path, cpus: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    cores = set()
    for cpu in cpus:
        folder = sys_root / f"devices/system/cpu/cpu{cpu}/topology"
        file = next((folder / name for name in _SIBLING_FILES if (folder / name).exists()), folder / _SIBLING_FILES[0])
        siblings = read_cpulist(file)
        if cpu not in siblings:  # else the CPU would be lost silently
            raise PerfError(
                f"does not list its own CPU {cpu}: {format_cpulist(siblings)!r}", subject=str(file), next_step=_MOUNT
            )
        cores.add(tuple(sibling for sibling in siblings if sibling in cpus))
    return tuple(sorted(cores))
