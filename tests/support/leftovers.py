"""What jobs leave behind, and what the kernel says of processes."""

from contextlib import suppress
from pathlib import Path

import psutil


def left(token: str) -> list[psutil.Process]:
    """The processes of jobs with this token that are still there."""
    processes = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and token in " ".join(process.cmdline()):
                processes.append(process)
        except psutil.Error:
            continue
    return processes


def states(pid: int) -> set[str]:
    """The kernel's states of a process's threads, "T" for a stopped one; a thread may end meanwhile."""
    letters = set()
    for path in Path(f"/proc/{pid}/task").glob("*/stat"):
        with suppress(OSError):
            letters.add(path.read_text().rpartition(") ")[2][0])
    return letters
