"""Whether a cached environment still has the files that it was made with: all of them, before any of them runs.

The probe (perf.builds.facts) compares MXNet's own files, and only after they have run. NumPy, GluonCV, Horovod and the
MPI decide what is measured, too, and a `.pth` file that somebody adds runs whenever the environment's Python starts.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from perf.errors import PerfError
from perf.files import read_text, write_whole
from perf.worker.probe import sha256_of

# The file, in an environment, with the sha256 of all other files.
DIGEST = "mxnet-perf.sha256"
# Python adds bytecode when it first imports a module.
BYTECODE = "__pycache__"


def record_files(folder: Path) -> None:
    """Record the files of an environment. Raises OSError when one cannot be read, or the disk is full."""
    write_whole(folder / DIGEST, _digest(folder).encode())


def changed_files(folder: Path) -> str | None:
    """Return what is wrong with the files of an environment; None when they are those that were recorded. Those of an
    environment that an earlier version of the suite made were not recorded, and nothing is wrong with them.
    """
    if not (folder / DIGEST).exists():
        return None
    try:
        unchanged = read_text(folder / DIGEST) == _digest(folder)
    except PerfError as error:
        return f"{DIGEST} {error.what}"
    except OSError as error:
        return f"a file cannot be read: {error.strerror}"
    return None if unchanged else "its files are not those that were installed"


def _digest(folder: Path) -> str:
    """Return a sha256 of all files of an environment, by name and content, and of the links, by what they name."""
    digest = hashlib.sha256()
    for path in sorted(_files(folder)):
        kind = path.lstat().st_mode
        content = f"-> {path.readlink()}" if stat.S_ISLNK(kind) else sha256_of(path) if stat.S_ISREG(kind) else "other"
        digest.update(f"{path.relative_to(folder)}\0{content}\0".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    for name, folders, files in os.walk(folder):
        here = Path(name)
        yield from (here / file for file in files if here / file != folder / DIGEST)
        yield from (here / link for link in folders if (here / link).is_symlink())
        folders[:] = [below for below in folders if below != BYTECODE]
