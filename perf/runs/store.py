"""The folder that holds the stored runs of a machine class: numbered files, written by one session at a time."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import filelock

from perf.errors import PerfError
from perf.files import write_whole
from perf.runs.schema import read_machine_class

# The file of a stored run: its number and its name, such as 0004_quick-4.json.
_NUMBERED = re.compile(r"^(\d{4,9})_[^\n]*\.json$")
# How long a session waits for another one that is storing its run: far longer than writing a file takes.
WAIT_S = 60.0


@dataclass(frozen=True)
class RunFiles:
    """The files of stored runs in a folder: `paths` are those of one machine class, oldest first. `ignored` describes
    the rest: files of other classes, and those that cannot be read.
    """

    paths: tuple[Path, ...]
    ignored: tuple[str, ...]

    @property
    def latest(self) -> Path | None:
        """The newest stored run, if there is one."""
        return self.paths[-1] if self.paths else None


def find_run_files(folder: Path, machine_class: str) -> RunFiles:
    """Return the stored runs of a machine class in a folder or one level below, as pytest-benchmark lays them out.
    Raises PerfError when two of them have the same number, or when the newest file cannot be read: it may be of this
    class.
    """
    paths: list[Path] = []
    ignored: list[str] = []
    damaged: dict[Path, PerfError] = {}
    for path in numbered_files(folder):
        try:
            stored_class = read_machine_class(path)
        except PerfError as error:
            damaged[path] = error
            continue
        if stored_class != machine_class:
            ignored.append(f"{path.name} ({stored_class})")
            continue
        if paths and _number(paths[-1]) == _number(path):
            message = f"two stored runs have the same number {_number(path):04}: {paths[-1].name} and {path.name}"
            raise PerfError(message, subject=str(folder), next_step="rename the newer one to the next free number")
        paths.append(path)
    for path, problem in damaged.items():
        if not paths or _number(path) >= _number(paths[-1]):
            raise problem
    return RunFiles(tuple(paths), (*ignored, *(f"{path.name} (cannot be read)" for path in damaged)))


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other sessions from storing in a folder, which is created if necessary. Raises PerfError when another
    session does not finish storing within `WAIT_S`, and OSError when the folder cannot be created.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(folder / ".lock", timeout=WAIT_S):
            yield
    except filelock.Timeout as error:
        message = f"another session has been storing its run for {WAIT_S:.0f} s"
        raise PerfError(
            message, subject=str(folder), next_step="stop that session, then repeat the command with --perf-resume"
        ) from error


def save(folder: Path, name: str, content: bytes) -> Path:
    """Write a run under the next free number, such as 0004_NAME.json, into a folder that is `locked`, and return its
    path. Raises OSError when it cannot be written.
    """
    path = folder / f"{next_number(folder):04}_{name}.json"
    write_whole(path, content)
    return path


def numbered_files(folder: Path) -> list[Path]:
    """Return the numbered files in a folder or one level below, by number."""
    paths = [path for pattern in ("*.json", "*/*.json") for path in folder.glob(pattern) if _NUMBERED.match(path.name)]
    return sorted(paths, key=lambda path: (_number(path), path.name))


def next_number(folder: Path) -> int:
    """Return the next free number: one more than the largest of a stored run."""
    return max(map(_number, numbered_files(folder)), default=0) + 1


def check_inside(path: Path, folder: Path) -> None:
    """Raise PerfError when a stored run is a link to a file outside its folder."""
    if not path.resolve().is_relative_to(folder.resolve()):
        message = f"is a link to {path.resolve()}, outside {folder}"
        raise PerfError(message, subject=str(path), next_step="copy the run itself into the folder")


def _number(path: Path) -> int:
    return int(path.name.partition("_")[0])
