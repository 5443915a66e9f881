"""How much memory new processes may take: what the machine has free, and what control groups leave of their limits."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from perf.machine.state.cgroups import own_cgroups
from perf.machine.state.source import NUMBER, Source, number, read_text

# Of a control group of version 2 and of version 1: its limit, and what it uses of it.
FILES = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))
# Pages of files, in memory.stat of either version: the kernel takes them back before it refuses memory.
PAGES_OF_FILES = re.compile(rf"^(?:total_)?(?:in)?active_file ({NUMBER})$", re.MULTILINE)
GIB = 1 << 30


def free_bytes(sys_root: Path = Path("/sys"), proc_root: Path = Path("/proc")) -> int | None:
    """The bytes that new processes may take: what the kernel estimates to be available without swapping (MemAvailable
    in /proc/meminfo, proc(5)), or what the limit of this process's control group, or of one above it, leaves, when that
    is less. None where the kernel tells neither.
    """
    source = Source(sys_root, proc_root, frozenset(os.sched_getaffinity(0)))
    available = re.search(rf"^MemAvailable: +({NUMBER}) kB$", source.proc("meminfo") or "", re.MULTILINE)
    free = [int(available[1]) * 1024] if available else []
    return min([*free, *_left_by_groups(source)], default=None)


def shortage(need: int, free: int | None) -> str | None:
    """That so many bytes are not free, in words; None when they are, or it is not known."""
    if free is None or need <= free:
        return None
    return f"needs about {_words(need)} of memory, {_words(free)} are free"


def _left_by_groups(source: Source) -> Iterator[int]:
    for folder in own_cgroups(source, "memory"):
        for limit_file, usage_file in FILES:
            limit, usage = number(read_text(folder / limit_file)), number(read_text(folder / usage_file))
            if limit is not None and usage is not None:  # "max" is no limit
                text = read_text(folder / "memory.stat") or ""
                yield max(0, limit - usage + _pages_of_files(text))


def _pages_of_files(stat: str) -> int:
    """Bytes in pages of files, of a group and those below it: version 1 tells these as `total_`."""
    if "\ntotal_" in stat:
        stat = "\n".join(line for line in stat.splitlines() if line.startswith("total_"))
    return sum(int(found) for found in PAGES_OF_FILES.findall(stat))


def _words(size: int) -> str:
    return f"{size / GIB:.0f} GiB" if size >= 10 * GIB else f"{size / GIB:.1f} GiB"
