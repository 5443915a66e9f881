"""What the `zoo` build makes: folders of files, made once, kept by what went into them, verified before each use."""

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from perf.builds import Build, Finished, process_environment, run
from perf.cache import locked, remove, remove_leftovers, unfinished, unusable
from perf.errors import PerfError
from perf.files import put_in_place, read_json, write_whole

MANIFEST = "manifest.json"
# What Python says of an exception that nobody caught: its type, with the module's name, and its text.
RAISED = re.compile(r"^(?:\w+\.)*(?:\w*Error|\w*Exception|\w*Interrupt)(?::.*)?$", re.MULTILINE)
# Entropy calibration searches thresholds in Python, about 5 s a layer in 1.5.0; ResNet-152 has 152 of them.
TIMEOUT_S = 3600.0
# A disk with less than this left is why making failed.
FULL_BYTES = 1 << 16
SHELF = "networks"


class FailedError(PerfError):
    """What the zoo makes was not made because its process failed; `cause` is that in one line."""

    def __init__(self, cause: str, details: str, task: "Task") -> None:
        self.cause = cause
        super().__init__(f"preparing it failed: {cause}\n{details}", subject=task.name, next_step=task.otherwise)


class Manifest(msgspec.Struct, frozen=True):
    """What stands in a kept folder: its recipe, its files' SHA-256, and what its making found out."""

    recipe: dict[str, Any]
    sha256: dict[str, str]
    found: dict[str, Any]


@dataclass(frozen=True)
class Task:
    """What the module `perf.cnn.MODULE` makes inside the zoo: `files`, kept under `name`.

    They depend on `recipe` and on nothing else, so that its hash is their address. `inputs` are paths that the module
    reads besides; what stands there belongs into the recipe. `doing` tells the user, `otherwise` what to do when it
    fails. `variables` are set in the environment of its process.
    """

    module: str
    name: str
    recipe: Mapping[str, Any]
    files: Sequence[str]
    inputs: Mapping[str, str]
    doing: str
    otherwise: str
    variables: Mapping[str, str] = field(default_factory=dict)


def stored(task: Task, zoo: Build, threads: int, cache: Path, say: Callable[[str], None]) -> tuple[Path, Manifest]:
    """The folder with a task's files from the cache, or newly made and put there whole, and its manifest.

    PerfError for what the module refuses, a full disk, or a cache that cannot be used; FailedError when its process
    fails.
    """
    recipe = {
        **task.recipe,
        "zoo": zoo.folder.name,  # names its lock content, GluonCV's version among it
        "threads": threads,  # sums round differently
    }
    key = hashlib.sha256(msgspec.json.encode(recipe, order="sorted")).hexdigest()[:12]
    shelf, name = cache / SHELF, f"{task.name}-{key}"
    try:
        shelf.mkdir(parents=True, exist_ok=True)
        with locked(shelf, name, say):
            remove_leftovers(shelf, name)
            manifest = verified(shelf / name, task.files)
            if manifest is None:
                say(task.doing)
                manifest = _make(task, recipe, shelf, name, zoo)
    except OSError as error:
        raise unusable(shelf, error) from error
    return shelf / name, manifest


def verified(folder: Path, files: Sequence[str]) -> Manifest | None:
    """The manifest when the folder is whole and its files are as they were made; what is not is removed."""
    try:
        manifest = read_json(folder / MANIFEST, Manifest)
        if all(sha256(folder / name) == manifest.sha256.get(name) for name in files):
            return manifest
    except (FileNotFoundError, PerfError):
        pass
    shutil.rmtree(folder, ignore_errors=True)
    return None


def sha256(*paths: Path) -> str:
    """The SHA-256 of files, one after the other, in hex. OSError when one cannot be read."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as stream:
            hashlib.file_digest(stream, lambda: digest)
    return digest.hexdigest()


def _make(task: Task, recipe: Mapping[str, Any], shelf: Path, name: str, zoo: Build) -> Manifest:
    """Let the zoo write into a folder beside the final one, then move it into place whole."""
    work = unfinished(shelf, name)
    try:
        work.mkdir()
        request = work / "request.json"
        request.write_bytes(msgspec.json.encode({**recipe, **task.inputs, "folder": str(work)}))
        found = _run(task, request, zoo, recipe["threads"])
        request.unlink()
        manifest = Manifest(dict(recipe), {file: sha256(work / file) for file in task.files}, found)
        write_whole(work / MANIFEST, msgspec.json.encode(manifest))
        put_in_place(work, shelf / name)
    except BaseException:  # KeyboardInterrupt too
        remove(work)
        raise
    return manifest


def _run(task: Task, request: Path, zoo: Build, threads: int) -> dict[str, Any]:
    command = [str(zoo.python), "-m", f"perf.cnn.{task.module}", str(request)]
    environment = process_environment(zoo, threads, task.variables)
    finished = run(command, environment=environment, timeout_s=TIMEOUT_S, subject=task.name)
    file = request.with_name("result.json")
    result = {}
    if finished.code == 0:
        result = read_json(file, dict[str, Any], next_step=task.otherwise)
        file.unlink()
    if "error" in result:
        raise PerfError(result["error"], subject=task.name, next_step=result["next"])
    if not result:
        # MXNet does not say why a write failed.
        if shutil.disk_usage(request.parent).free < FULL_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise FailedError(cause_of(finished), finished.last_lines(), task)
    return dict(result)


def cause_of(finished: Finished) -> str:
    """Why a process failed, in one line: the last exception that it let out, or else how it ended."""
    raised = RAISED.findall(finished.stderr)
    return raised[-1].strip() if raised and finished.code > 0 else finished.last_lines().splitlines()[0]
