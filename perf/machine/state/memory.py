"""What the kernel does with memory during a measurement."""

import re

from perf.machine.state.model import Assessment, Check, StateChange
from perf.machine.state.source import NUMBER, Source, number
from perf.machine.topology import parse_cpulist
from perf.wording import counted

# In the lines of /proc/swaps: name, type, size, used, priority.
_SWAPS_COLUMNS = 5


def _read_balancing(source: Source) -> str | None:
    mode = number(source.proc("sys/kernel/numa_balancing"))
    if mode is None:
        return None
    try:
        nodes = parse_cpulist(source.sys("devices/system/node/online") or "")
    except ValueError:
        return None
    if not nodes:
        return None
    if len(nodes) == 1:
        return "on, one node" if mode else "off, one node"
    return "on" if mode else "off"


def _assess_balancing(value: str) -> Assessment:
    return Assessment(value, "echo 0 | sudo tee /proc/sys/kernel/numa_balancing" if value == "on" else None)


def _read_swap(source: Source) -> str | None:
    """Return the used and the whole size of all swap areas in KiB, as "1024/8192"; "off" without one."""
    header, *areas = [line.split() for line in (source.proc("swaps") or "").splitlines()] or [[]]
    if header[:1] != ["Filename"]:
        return None
    if not areas:
        return "off"
    sizes = [tuple(map(number, area[2:4])) for area in areas if len(area) == _SWAPS_COLUMNS]
    known = [(size, used) for size, used in sizes if size is not None and used is not None]
    if len(known) < len(areas):
        return None
    return f"{sum(used for _, used in known)}/{sum(size for size, _ in known)}"


def _assess_swap(value: str) -> Assessment:
    if value == "off":
        return Assessment(value)
    used, size = (int(kib) / 1024 for kib in value.split("/"))
    return Assessment(f"{used:.0f} of {size:.0f} MiB in use")


def _read_swapping(source: Source) -> int | None:
    counts = re.findall(rf"^pswp(?:in|out) ({NUMBER})$", source.proc("vmstat") or "", re.MULTILINE)
    return sum(map(int, counts)) if len(counts) == len(("in", "out")) else None


def _assess_swapping(change: StateChange) -> Assessment:
    return Assessment(f"{counted(round(change.amount), 'page')} moved", "sudo swapoff -a" if change.amount else None)


def _read_huge_pages(source: Source) -> str | None:
    texts = [source.sys(f"kernel/mm/transparent_hugepage/{name}") for name in ("enabled", "defrag")]
    chosen = [re.search(r"\[([a-z+]+)\]", text or "") for text in texts]
    enabled, defrag = (match[1] if match else None for match in chosen)
    return f"{enabled}, defrag {defrag}" if enabled and defrag else None


NUMA_BALANCING = Check("numa_balancing", _read_balancing, _assess_balancing)
SWAP = Check("swap", _read_swap, _assess_swap)
SWAPPING = Check("swapping", _read_swapping, _assess_swapping)
HUGE_PAGES = Check("huge_pages", _read_huge_pages, Assessment)
