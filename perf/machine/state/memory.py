"""What the kernel does with memory while something is measured."""

import re

from perf.machine.state.model import Check, Judged, StateChange
from perf.machine.state.source import NUMBER, Source, number
from perf.machine.topology import parse_cpulist

_SWAPS_COLUMNS = 5  # of /proc/swaps: name, type, size, used, priority


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


def _judge_balancing(value: str) -> Judged:
    return Judged(value, "echo 0 | sudo tee /proc/sys/kernel/numa_balancing" if value == "on" else None)


def _read_swap(source: Source) -> int | None:
    """Used KiB of all swap areas."""
    header, *areas = [line.split() for line in (source.proc("swaps") or "").splitlines()] or [[]]
    if header[:1] != ["Filename"]:
        return None
    used = [number(area[3]) if len(area) == _SWAPS_COLUMNS else None for area in areas]
    known = [kib for kib in used if kib is not None]
    return sum(known) if len(known) == len(used) else None


def _judge_swap(used_kib: int) -> Judged:
    return Judged(f"{used_kib / 1024:.0f} MiB in use")


def _read_swapping(source: Source) -> int | None:
    counts = re.findall(rf"^pswp(?:in|out) ({NUMBER})$", source.proc("vmstat") or "", re.MULTILINE)
    return sum(map(int, counts)) if len(counts) == len(("in", "out")) else None


def _judge_swapping(change: StateChange) -> Judged:
    return Judged(f"{change.amount:.0f} pages moved", "sudo swapoff -a" if change.amount else None)


def _read_huge_pages(source: Source) -> str | None:
    texts = [source.sys(f"kernel/mm/transparent_hugepage/{name}") for name in ("enabled", "defrag")]
    chosen = [re.search(r"\[([a-z+]+)\]", text or "") for text in texts]
    enabled, defrag = (match[1] if match else None for match in chosen)
    return f"{enabled}, defrag {defrag}" if enabled and defrag else None


NUMA_BALANCING = Check(
    name="numa_balancing",
    kind="setting",
    explanation="Between several nodes the kernel unmaps pages to see who uses them and moves them: both take time.",
    absent="the kernel has no NUMA balancing, or does not list its nodes",
    read=_read_balancing,
    judge=_judge_balancing,
)
SWAP = Check(
    name="swap",
    kind="moment",
    explanation="What lies in swap does no harm until it is needed: see swapping.",
    absent="the kernel has no swap",
    read=_read_swap,
    judge=_judge_swap,
)
SWAPPING = Check(
    name="swapping",
    kind="counter",
    explanation="A thread that needs a page from swap waits for the disk.",
    absent="the kernel has no swap",
    read=_read_swapping,
    judge=_judge_swapping,
)
HUGE_PAGES = Check(
    name="huge_pages",
    kind="setting",
    explanation="Transparent huge pages make large arrays faster. Any mode will do, but runs of unlike ones differ.",
    absent="the kernel has no transparent huge pages",
    read=_read_huge_pages,
    judge=Judged,
)
