"""Which wheels a stored run may install: a release of MXNet or a wheel file, with the same files as were measured.

A stored run is a file that may come from anywhere. Nothing that it names may run before its files are compared: no
module, no build backend, and no `.pth` file, which Python executes at every start.
"""

import csv
import hashlib
import lzma
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from perf.builds.data import distribution, load
from perf.worker.probe import content_of, sha256_of

# NAME==VERSION, and nothing else.
RELEASE = re.compile(r"([A-Za-z0-9]+(?:[-_.][A-Za-z0-9]+)*)==[0-9]+(\.[0-9]+)*(\.?(a|b|rc|post|dev)[0-9]+)*")
# Four times the largest wheel of MXNet for CPUs, which has 60 MB and unpacks to 240 MB.
MOST_BYTES = 1_000_000_000
# What reading a damaged archive raises (zipfile documents BadZipFile only).
UNPACKING_ERRORS = (
    OSError, EOFError, ArithmeticError, LookupError, RuntimeError, ValueError, struct.error, zipfile.BadZipFile,
    zlib.error, lzma.LZMAError,
)  # fmt: skip
# Where an installer puts the parts of a wheel's .data folder, relative to site-packages.
SCHEMES = {"purelib": "", "platlib": "", "data": "../../../"}
# What can run but is not part of the content: programs that an installer generates, and bytecode without its source.
UNCOVERED = re.compile(r"[^/]+\.dist-info/entry_points\.txt|.*\.pyc", re.DOTALL)
# The file that uv locks while it writes to an environment.
UV_LOCK = ".lock"
# A file's inode, size and modification time: at least one changes when it is written again.
Mark = tuple[int, int, int]


def is_release(requirement: str) -> bool:
    """Return whether a requirement is NAME==VERSION with one of MXNet's distributions, and nothing else."""
    match = RELEASE.fullmatch(requirement)
    return match is not None and distribution(match[1]) in load().distributions


def wheel_with(content: str, requirement: str) -> Path | None:
    """Return the wheel file of MXNet that `requirement` names, if it is below the current folder and has this content;
    else None. Nothing in it is run or unpacked.
    """
    if not requirement.endswith(".whl") or "://" in requirement or "\0" in requirement:
        return None
    here = Path.cwd().resolve()
    try:
        wheel = (here / requirement).resolve()
        is_mxnet = distribution(wheel.name.partition("-")[0]) in load().distributions
        is_allowed = is_mxnet and wheel.is_relative_to(here) and wheel.is_file()
    except (OSError, RuntimeError):  # a name that no file can have, or a loop of links
        return None
    return wheel if is_allowed and content_of_wheel(wheel) == content else None


def content_of_wheel(wheel: Path) -> str | None:
    """Return the content (perf.worker.probe.content_sha256) that a wheel will have once installed; None when it is
    damaged, has files that its RECORD does not list, or files that an installer does not simply copy.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            members = [info for info in archive.infolist() if not info.is_dir()]
            if sum(info.file_size for info in members) > MOST_BYTES:
                return None
            names = [info.filename for info in members]
            files = {place: name for name in names if (place := _place(name)) is not None}
            records = [name for name in names if re.fullmatch(r"[^/]+\.dist-info/RECORD", name)]
            if len(files) < len(names) or len(records) != 1 or set(names) != _recorded(archive.read(records[0])):
                return None
            return content_of(files, lambda place: hashlib.sha256(archive.read(files[place])).hexdigest())
    except (*UNPACKING_ERRORS, csv.Error):
        return None


def marks(folder: Path) -> dict[Path, Mark]:
    """Return the marks of all files below a folder, by path: a file that is written gets a new mark."""
    stats = {path: path.lstat() for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()}
    return {path: (stat.st_ino, stat.st_size, stat.st_mtime_ns) for path, stat in stats.items()}


def content_written(folder: Path, before: Mapping[Path, Mark]) -> str | None:
    """Return the content of the distribution that was installed into the environment at `folder` since `before`,
    without starting its Python: of all files that were written, whatever its RECORD lists. None when it cannot be
    determined.

    Raises OSError when a file cannot be read.
    """
    written = [path for path, mark in marks(folder).items() if before.get(path) != mark and path != folder / UV_LOCK]
    records = [path for path in written if path.name == "RECORD" and path.parent.suffix == ".dist-info"]
    if len(records) != 1:
        return None
    packages = records[0].parents[1]
    files = {PurePosixPath(os.path.relpath(path, packages)): path for path in written}
    if any(UNCOVERED.fullmatch(str(file)) for file in files):
        return None
    return content_of(files, lambda file: sha256_of(files[file]))


def _place(name: str) -> PurePosixPath | None:
    """Return the installed path of a wheel's file, relative to site-packages; None when it is not simply copied."""
    if {"", ".", ".."} & set(name.split("/")) or "\\" in name or UNCOVERED.fullmatch(name):
        return None
    top, _, rest = name.partition("/")
    if not top.endswith(".data"):
        return PurePosixPath(name)
    scheme, _, below = rest.partition("/")
    return PurePosixPath(SCHEMES[scheme] + below) if scheme in SCHEMES else None


def _recorded(record: bytes) -> set[str]:
    """Return the files that a wheel's RECORD lists, a table of names, hashes and sizes."""
    return {row[0] for row in csv.reader(record.decode("utf-8").splitlines()) if row}
