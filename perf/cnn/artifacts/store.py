"""The cache of what the `zoo` build makes: folders of files, named by a hash of what determines them.

A folder is made once, moved into place whole, and checked against its manifest before each use.
"""

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from perf.builds import Build, process_environment, run
from perf.cache import locked, remove, remove_leftovers, unfinished, unusable
from perf.errors import PerfError
from perf.files import put_in_place, read_json, write_whole

MANIFEST = "manifest.json"
# Entropy calibration searches thresholds in Python, about 5 s a layer in 1.5.0; ResNet-152 has 152 of them.
TIMEOUT_S = 3600.0
# With less space left on the disk, a failure is put down to the full disk.
FULL_BYTES = 1 << 16
# The folder in the cache.
FOLDER = "networks"


class ZooFailedError(PerfError):
    """A process of the `zoo` build failed for no reason that the user can fix. `cause` is the reason in one line."""

    def __init__(self, cause: str, details: str, task: "ZooTask") -> None:
        self.cause = cause
        super().__init__(f"preparing it failed: {cause}\n{details}", subject=task.name, next_step=task.next_step)


class Manifest(msgspec.Struct, frozen=True, rename={"settings": "recipe", "result": "found"}):
    """The manifest of a folder.

    `settings` are those of the task that made it, `sha256` is the digest of each file by name, and `result` is what the
    program returned.
    """

    settings: dict[str, Any]
    sha256: dict[str, str]
    result: dict[str, Any]


@dataclass(frozen=True)
class ZooTask:
    """What a program of the `zoo` build is to make.

    `module`: the program, `perf.cnn.MODULE`. `name`: the subject in messages, and the start of the folder's name.
    `settings`: all that determines the files; the rest of the folder's name is their hash. `files`: the names of the
    files that it writes. `inputs`: paths that it reads; digests of their content belong into `settings`. `progress`:
    the message that is shown while it runs. `next_step`: what the user can do when it fails. `variables`: environment
    variables of its process.
    """

    module: str
    name: str
    settings: Mapping[str, Any]
    files: Sequence[str]
    inputs: Mapping[str, str]
    progress: str
    next_step: str
    variables: Mapping[str, str] = field(default_factory=dict)


def obtain(task: ZooTask, zoo: Build, threads: int, cache: Path, say: Callable[[str], None]) -> tuple[Path, Manifest]:
    """Return the folder with a task's files and its manifest, from the cache or newly made.

    Raises PerfError when the program refuses the task, the disk is full or the cache cannot be used, and ZooFailedError
    when its process fails.
    """
    settings = {
        **task.settings,
        "zoo": zoo.folder.name,  # identifies the lock's content, including GluonCV's version
        "threads": threads,  # sums round differently
    }
    content = msgspec.json.encode(settings, order="sorted")
    key = hashlib.sha256(content).hexdigest()[:12]
    networks, name = cache / FOLDER, f"{task.name}-{key}"
    try:
        networks.mkdir(parents=True, exist_ok=True)
        with locked(networks, name, say):
            remove_leftovers(networks, name)
            manifest = verified_manifest(networks / name, task.files, msgspec.json.decode(content), say)
            if manifest is None:
                say(task.progress)
                manifest = _make(task, settings, networks, name, zoo)
    except OSError as error:
        raise unusable(networks, error) from error
    return networks / name, manifest


def verified_manifest(
    folder: Path, files: Sequence[str], settings: Mapping[str, Any], say: Callable[[str], None]
) -> Manifest | None:
    """Return a folder's manifest if it was made with these settings, as in JSON, and all files have its digests; None
    where there is no folder. Otherwise say what is wrong, remove the folder and return None.
    """
    if not folder.exists():
        return None
    try:
        manifest = read_json(folder / MANIFEST, Manifest)
        problem = _difference(folder, files, settings, manifest)
    except PerfError as error:
        problem = f"{MANIFEST} {error.what}"
    else:
        if problem is None:
            return manifest
    say(f"{folder.name}: it is not used, and made again, because {problem}")
    shutil.rmtree(folder, ignore_errors=True)
    return None


def _difference(folder: Path, files: Sequence[str], settings: Mapping[str, Any], manifest: Manifest) -> str | None:
    """Return in what a folder differs from its manifest, or that from what was asked for; None if in nothing."""
    if manifest.settings != settings:
        return f"{MANIFEST} is that of other settings"
    for name in files:
        if not (folder / name).is_file():
            return f"{name} is missing"
        if sha256(folder / name) != manifest.sha256.get(name):
            return f"{name} was changed: its sha256 is not the one in {MANIFEST}"
    return None


def sha256(*paths: Path) -> str:
    """Return the SHA-256 of files, one after the other, in hex. Raises OSError when one cannot be read."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as stream:
            hashlib.file_digest(stream, lambda: digest)
    return digest.hexdigest()


def _make(task: ZooTask, settings: Mapping[str, Any], networks: Path, name: str, zoo: Build) -> Manifest:
    """Let the program write into a temporary folder beside the final one, then rename that."""
    work = unfinished(networks, name)
    try:
        work.mkdir()
        request = work / "request.json"
        request.write_bytes(msgspec.json.encode({**settings, **task.inputs, "folder": str(work)}))
        result = _run(task, request, zoo, settings["threads"])
        request.unlink()
        manifest = Manifest(dict(settings), {file: sha256(work / file) for file in task.files}, result)
        content = msgspec.json.encode(manifest)
        write_whole(work / MANIFEST, content)
        put_in_place(work, networks / name)
    except BaseException:  # KeyboardInterrupt too
        remove(work)
        raise
    return msgspec.json.decode(content, type=Manifest)  # as the next session reads it: JSON has no tuples


def _run(task: ZooTask, request: Path, zoo: Build, threads: int) -> dict[str, Any]:
    """Run the program and return its result. Raises as `obtain` does, and OSError when the disk is full."""
    command = [str(zoo.python), "-m", f"perf.cnn.{task.module}", str(request)]
    environment = process_environment(zoo, threads, task.variables)
    finished = run(command, environment=environment, timeout_s=TIMEOUT_S, subject=task.name)
    file = request.with_name("result.json")
    result = {}
    if finished.code == 0:
        result = read_json(file, dict[str, Any], next_step=task.next_step)
        file.unlink()
    if "error" in result:
        raise PerfError(result["error"], subject=task.name, next_step=result["next"])
    if not result:
        # MXNet does not say why a write failed.
        if shutil.disk_usage(request.parent).free < FULL_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise ZooFailedError(finished.cause, finished.last_lines(), task)
    return dict(result)
