"""How much memory new processes may use: what the machine has free, and what the control groups' limits leave."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from perf.machine.state.cgroups import own_cgroups
from perf.machine.state.source import NUMBER, Source, number, read_text

# Files with a control group's limit and usage, in version 2 and in version 1.
FILES = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))
# File pages in memory.stat of either version: the kernel reclaims them before it refuses memory.
FILE_PAGES = re.compile(rf"^(?:total_)?(?:in)?active_file ({NUMBER})$", re.MULTILINE)
GIB = 1 << 30


def free_bytes(sys_root: Path = Path("/sys"), proc_root: Path = Path("/proc")) -> int | None:
    """Return the bytes that new processes may use: what the kernel estimates to be available without swapping
    (MemAvailable in /proc/meminfo, proc(5)), or less where the limit of this process's control group or of an ancestor
    leaves less. None where the kernel reports neither.
    """
    source = Source(sys_root, proc_root, frozenset(os.sched_getaffinity(0)))
    available = re.search(rf"^MemAvailable: +({NUMBER}) kB$", source.proc("meminfo") or "", re.MULTILINE)
    free = [int(available[1]) * 1024] if available else []
    return min([*free, *_left_by_groups(source)], default=None)


def shortage(need: int, free: int | None) -> str | None:
    """Return why `need` bytes do not fit into `free` bytes; None when they do, or when `free` is unknown (None)."""
    if free is None or need <= free:
        return None
    return f"needs about {_size(need)} of memory, but only {_size(free)} are free"


def oom_kills(proc_root: Path = Path("/proc")) -> int | None:
    """Return how many processes the kernel has killed since it started because memory ran out, of the machine or of a
    control group (oom_kill in /proc/vmstat); None where it does not count them.
    """
    match = re.search(rf"^oom_kill ({NUMBER})$", read_text(proc_root / "vmstat") or "", re.MULTILINE)
    return int(match[1]) if match else None


def _left_by_groups(source: Source) -> Iterator[int]:
    for folder in own_cgroups(source, "memory"):
        for limit_file, usage_file in FILES:
            limit, usage = number(read_text(folder / limit_file)), number(read_text(folder / usage_file))
            if limit is not None and usage is not None:  # "max" is not a limit
                text = read_text(folder / "memory.stat") or ""
                yield max(0, limit - usage + _file_pages(text))


def _file_pages(stat: str) -> int:
    """Return the bytes in file pages of a group and its descendants; version 1 reports their sum as `total_`."""
    if "\ntotal_" in stat:
        stat = "\n".join(line for line in stat.splitlines() if line.startswith("total_"))
    return sum(int(size) for size in FILE_PAGES.findall(stat))


def _size(size: int) -> str:
    return f"{size / GIB:.0f} GiB" if size >= 10 * GIB else f"{size / GIB:.1f} GiB"
