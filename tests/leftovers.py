"""What jobs leave behind."""

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
