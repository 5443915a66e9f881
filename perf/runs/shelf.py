"""The folder of a machine class's stored runs: numbered files, each written whole, by one session at a time."""

import re
from pathlib import Path

import filelock

from perf.errors import PerfError
from perf.files import write_whole

_NUMBERED = re.compile(r"^(\d{4})_.*\.json$")
WAIT_S = 60.0


def save(folder: Path, name: str, content: bytes) -> Path:
    """Store a run under the next free number, such as 0004_NAME.json, and return where.

    Two sessions that save at once get two numbers. PerfError when the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder / ".lock", timeout=WAIT_S):
            path = folder / f"{next_number(folder):04}_{name}.json"
            write_whole(path, content)
    except OSError as error:
        step = "free some space or name another folder with --benchmark-storage=FOLDER; then add --perf-resume"
        raise PerfError(f"the run cannot be stored: {error.strerror}", subject=str(folder), next_step=step) from error
    except filelock.Timeout as error:
        message = f"another session has been storing its run for {WAIT_S:.0f} s"
        raise PerfError(message, subject=str(folder), next_step="end it, then add --perf-resume") from error
    return path


def next_number(folder: Path) -> int:
    """One more than the largest number of a stored run, in the folder or one below: pytest-benchmark's own layout."""
    names = [path.name for pattern in ("*.json", "*/*.json") for path in folder.glob(pattern)]
    return max((int(match[1]) for match in map(_NUMBERED.match, names) if match), default=0) + 1


def check_inside(path: Path, folder: Path) -> None:
    """PerfError when a stored run is a link to somewhere outside of its folder."""
    if not path.resolve().is_relative_to(folder.resolve()):
        message = f"is a link to {path.resolve()}, outside of {folder}"
        raise PerfError(message, subject=str(path), next_step="copy the run itself into the folder")
