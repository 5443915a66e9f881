"""What a worker reads back from the kernel about its own pinning."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

_PAGES = re.compile(r"\bN(\d+)=(\d+)")
_PAGE_KB = re.compile(r"kernelpagesize_kB=(\d+)")
_ONLINE = Path("/sys/devices/system/cpu/online")


def cpus_of(task: str) -> str:
    """Return `Cpus_allowed_list` of a task, such as "0-23"; `task` is a path below /proc: "self" or "self/task/12"."""
    status = Path("/proc", task, "status").read_text()
    return next(line.split(":")[1].strip() for line in status.splitlines() if line.startswith("Cpus_allowed_list"))


def proof_of_pinning(launch_cpus: str) -> dict[str, Any]:
    """Return every thread's CPUs, the CPUs that are online, the memory policies in force (policy: mappings), where the
    anonymous pages are (node: KiB), and `launch_cpus`, this process's CPU mask at its start (perf.machine.proof).
    """
    cpus = {"launch_cpus": launch_cpus, "thread_cpus": dict(_threads()), "online_cpus": _ONLINE.read_text().strip()}
    try:
        policies, anonymous_kb = summarise_numa_maps(Path("/proc/self/numa_maps").read_text())
    except FileNotFoundError:  # a kernel without NUMA
        return {**cpus, "policies": None, "anonymous_kb": None}
    return {**cpus, "policies": policies, "anonymous_kb": anonymous_kb}


def _threads() -> Iterator[tuple[str, str]]:
    for task in Path("/proc/self/task").iterdir():
        # Libraries may end their threads at any time.
        with suppress(FileNotFoundError, ProcessLookupError):
            yield task.name, cpus_of(f"self/task/{task.name}")


def summarise_numa_maps(text: str) -> tuple[dict[str, int], dict[str, int]]:
    """Return the number of mappings by policy and the anonymous KiB by node in the text of a `numa_maps` file.

    File-backed pages are left out: they are on the node of the process that read the file first (numa_maps(5)). Raises
    ValueError for any other text.
    """
    policies: Counter[str] = Counter()
    anonymous_kb: Counter[str] = Counter()
    for line in text.splitlines():
        _, policy, *_ = line.split()
        policies[policy] += 1
        if "anon=" in line and "file=" not in line:
            size = _PAGE_KB.search(line)
            for node, pages in _PAGES.findall(line):
                anonymous_kb[node] += int(pages) * (int(size.group(1)) if size else 4)
    return dict(policies), dict(anonymous_kb)


def peak_memory_bytes() -> int:
    """Return the largest resident set of this process since `restart_peak_memory`, in bytes (`VmHWM`)."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def restart_peak_memory() -> None:
    """Reset the kernel's peak to the memory that is resident now (proc(5), clear_refs). Without the permission, the
    peak since the start of the process remains.
    """
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return
