"""What a worker reads back about its own pinning, from the kernel and not from what it was asked to do."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

_PAGES = re.compile(r"\bN(\d+)=(\d+)")
_PAGE_KB = re.compile(r"kernelpagesize_kB=(\d+)")


def cpus_of(task: str) -> str:
    """`Cpus_allowed_list` of a task, such as "0-23"; `task` is a path below /proc, such as "self" or "self/task/12"."""
    status = Path("/proc", task, "status").read_text()
    return next(line.split(":")[1].strip() for line in status.splitlines() if line.startswith("Cpus_allowed_list"))


def proof_of_pinning(launch_cpus: str) -> dict[str, Any]:
    """Every thread's CPUs, the memory policies in force (policy: mappings) and where the anonymous pages lie
    (node: kibibytes), with the mask this process was started with.
    """
    threads = dict(_threads())
    try:
        policies, anonymous_kb = summarise_numa_maps(Path("/proc/self/numa_maps").read_text())
    except FileNotFoundError:  # a kernel without NUMA
        return {"launch_cpus": launch_cpus, "thread_cpus": threads, "policies": None, "anonymous_kb": None}
    return {
        "launch_cpus": launch_cpus,
        "thread_cpus": threads,
        "policies": policies,
        "anonymous_kb": anonymous_kb,
    }


def _threads() -> Iterator[tuple[str, str]]:
    for task in Path("/proc/self/task").iterdir():
        # Libraries end threads of theirs when they please.
        with suppress(FileNotFoundError, ProcessLookupError):
            yield task.name, cpus_of(f"self/task/{task.name}")


def summarise_numa_maps(text: str) -> tuple[dict[str, int], dict[str, int]]:
    """Count the mappings by policy and the anonymous kibibytes by node in the text of a `numa_maps` file.

    File-backed pages are left out: they lie where whoever read the file first had them (numa_maps(5)).
    """
    policies: Counter[str] = Counter()
    anonymous_kb: Counter[str] = Counter()
    for line in text.splitlines():
        policies[line.split()[1]] += 1
        if "anon=" in line and "file=" not in line:
            size = _PAGE_KB.search(line)
            for node, pages in _PAGES.findall(line):
                anonymous_kb[node] += int(pages) * (int(size.group(1)) if size else 4)
    return dict(policies), dict(anonymous_kb)


def peak_memory_bytes() -> int:
    """The largest resident set of this process since `restart_peak_memory`, in bytes (`VmHWM`)."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def restart_peak_memory() -> None:
    """Let the kernel count the peak anew from what is resident now (proc(5), clear_refs); without the right to, the
    peak goes on counting from the start of the process.
    """
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return
