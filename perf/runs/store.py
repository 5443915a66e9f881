"""The folder of a machine class's stored runs: numbered files, each written whole, by one session at a time."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import filelock

from perf.errors import PerfError
from perf.files import write_whole
from perf.runs.schema import read_machine_class

_NUMBERED = re.compile(r"^(\d{4,9})_[^\n]*\.json$")
WAIT_S = 60.0


@dataclass(frozen=True)
class RunFiles:
    """The stored runs of one machine class in a folder, oldest first, and which files there are of other classes."""

    paths: tuple[Path, ...]
    others: tuple[str, ...]

    @property
    def latest(self) -> Path | None:
        """The newest stored run, if there is one."""
        return self.paths[-1] if self.paths else None


def find_run_files(folder: Path, machine_class: str) -> RunFiles:
    """The stored runs of a class in a folder or one below: pytest-benchmark's own layout. PerfError when two of them
    have one number, or when a file that is newer than all of them cannot be read: it may be of this class.
    """
    paths: list[Path] = []
    others: list[str] = []
    damaged: dict[Path, PerfError] = {}
    for path in numbered_files(folder):
        try:
            other = read_machine_class(path)
        except PerfError as error:
            damaged[path] = error
            continue
        if other != machine_class:
            others.append(f"{path.name} ({other})")
            continue
        if paths and _number(paths[-1]) == _number(path):
            message = f"two stored runs have the number {_number(path):04}: {paths[-1].name} and {path.name}"
            raise PerfError(message, subject=str(folder), next_step="rename the newer of them to the next free number")
        paths.append(path)
    for path, problem in damaged.items():
        if not paths or _number(path) >= _number(paths[-1]):
            raise problem
    return RunFiles(tuple(paths), (*others, *(f"{path.name} (cannot be read)" for path in damaged)))


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other sessions from storing in a folder, which is made if need be. PerfError when another one does not end,
    OSError when there can be no such folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(folder / ".lock", timeout=WAIT_S):
            yield
    except filelock.Timeout as error:
        message = f"another session has been storing its run for {WAIT_S:.0f} s"
        raise PerfError(message, subject=str(folder), next_step="end it, then add --perf-resume") from error


def save(folder: Path, name: str, content: bytes) -> Path:
    """Write a run under the next free number, such as 0004_NAME.json, into a folder that is `held`, and return where.
    OSError when it cannot be written.
    """
    path = folder / f"{next_number(folder):04}_{name}.json"
    write_whole(path, content)
    return path


def numbered_files(folder: Path) -> list[Path]:
    """The numbered files in a folder or one below, by number."""
    found = [path for pattern in ("*.json", "*/*.json") for path in folder.glob(pattern) if _NUMBERED.match(path.name)]
    return sorted(found, key=lambda path: (_number(path), path.name))


def next_number(folder: Path) -> int:
    """One more than the largest number of a stored run."""
    return max(map(_number, numbered_files(folder)), default=0) + 1


def check_inside(path: Path, folder: Path) -> None:
    """PerfError when a stored run is a link to somewhere outside of its folder."""
    if not path.resolve().is_relative_to(folder.resolve()):
        message = f"is a link to {path.resolve()}, outside of {folder}"
        raise PerfError(message, subject=str(path), next_step="copy the run itself into the folder")


def _number(path: Path) -> int:
    return int(path.name.partition("_")[0])
