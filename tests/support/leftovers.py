"""What jobs leave behind, and what the kernel says of processes."""

from contextlib import suppress
from pathlib import Path

import psutil


def left(token: str) -> list[psutil.Process]:
    """The processes of jobs with this token that are still there."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and token in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def states(pid: int) -> set[str]:
    """The kernel's states of a process's threads, "T" for a stopped one; a thread may end meanwhile."""
    found = set()
    for path in Path(f"/proc/{pid}/task").glob("*/stat"):
        with suppress(OSError):
            found.add(path.read_text().rpartition(") ")[2][0])
    return found
