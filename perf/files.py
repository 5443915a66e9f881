"""Files: read up to a size limit, named in every error, and written atomically.

A reader sees a file's old content or its new content, never a part of it, whatever is killed meanwhile.
"""

import errno
import os
import stat
import tempfile
import threading
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from perf.errors import PerfError

# The checkout: it holds pyproject.toml, uv.lock, baselines/ and the package perf.
ROOT = Path(__file__).resolve().parents[1]
# A hundred times the largest files of the project, uv.lock and a nightly run, which have 0.5 MB.
MAX_BYTES = 50_000_000
# What to do about a damaged file of the project.
CORRECT = "correct the file, or restore it with git"

# What a disk answers that is full or read-only.
DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})

# msgspec completes a type when something is first decoded into it, and crashes when two threads do that at once.
# Whatever threads may decode holds this lock. It can be taken again, since a decoder may read a file.
DECODING = threading.RLock()

# What decoding raises: for another structure, for bytes that are not UTF-8 or a number with too many digits, and for
# values that are nested too deeply.
UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)

T = TypeVar("T")


def read_bytes(path: Path, *, next_step: str = CORRECT, most: int = MAX_BYTES) -> bytes:
    """Return a file's content.

    Raises PerfError, naming the file, when it cannot be read, is not a regular file (a pipe could block its reader
    forever), or holds more than `most` bytes.
    """
    try:
        status = check_regular(path, next_step)
        if status.st_size > most:
            message = f"is too large: {status.st_size / 1e6:.0f} MB, and the limit is {most / 1e6:.0f} MB"
            raise PerfError(message, subject=str(path), next_step=next_step)
        with path.open("rb") as stream:
            return stream.read(most)
    except OSError as error:
        raise PerfError(f"cannot be read: {error.strerror}", subject=str(path), next_step=next_step) from error


def check_regular(path: Path, next_step: str) -> os.stat_result:
    """Return the status of a regular file. Raises PerfError when it is not one: a pipe could block its reader forever.
    Raises OSError when there is no such file.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise PerfError("cannot be read: it is not a regular file", subject=str(path), next_step=next_step)
    return status


def read_text(path: Path, *, next_step: str = CORRECT) -> str:
    """Return a file's text. Raises PerfError as `read_bytes` does, and when it is not UTF-8."""
    return _understood(read_bytes(path, next_step=next_step).decode, path, next_step)


def read_json(path: Path, kind: type[T], *, next_step: str = CORRECT) -> T:
    """Return the JSON in a file as a `kind`. Raises PerfError as `read_bytes` does, and when it does not fit."""
    return decoded(read_bytes(path, next_step=next_step), kind, path, next_step=next_step)


def read_toml(path: Path, kind: type[T], *, next_step: str = CORRECT) -> T:
    """Return the TOML in a file as a `kind`. Raises PerfError as `read_bytes` does, and when it does not fit."""
    text = read_text(path, next_step=next_step)
    return _understood(lambda: msgspec.convert(tomllib.loads(text), kind), path, next_step)


def decoded(content: bytes, kind: type[T], path: Path, *, next_step: str = CORRECT) -> T:
    """Return JSON that was read from a file as a `kind`. Raises PerfError, naming the file, when it does not fit."""
    return _understood(lambda: msgspec.json.decode(content, type=kind), path, next_step)


def decoded_output(output: str, kind: type[T], what: str, *, subject: str, next_step: str) -> T:
    """Return JSON that a program wrote as a `kind`; `what` is how messages call it.

    Raises PerfError, naming the `subject`, when it does not fit.
    """
    try:
        with DECODING:
            return msgspec.json.decode(output, type=kind)
    except UNREADABLE as error:
        raise PerfError(f"{what} cannot be decoded: {error}", subject=subject, next_step=next_step) from error


def _understood(decode: Callable[[], T], path: Path, next_step: str) -> T:
    try:
        with DECODING:
            return decode()
    except RecursionError as error:
        raise PerfError("is damaged: it is nested too deeply", subject=str(path), next_step=next_step) from error
    except UNREADABLE as error:
        raise PerfError(f"is damaged: {error}", subject=str(path), next_step=next_step) from error


def write_whole(path: Path, content: bytes) -> None:
    """Write `content` atomically: to a temporary file in the same folder, flushed to the disk and renamed to `path`.

    The file that a link names is replaced, and not the link. A device or a pipe, such as /dev/null, is written to.

    Raises OSError when the folder cannot be written to; `path` is then unchanged.
    """
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return
    path = Path(os.path.realpath(path))
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as stream:
        written = Path(stream.name)
        try:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
            written.chmod(0o644)
            written.replace(path)
        except BaseException:
            written.unlink()
            raise
    flush_folder(path.parent)


def disk_problem(error: OSError) -> PerfError | None:
    """Return the error for what a full or read-only disk did not take, for a user; None for any other failure.

    Whoever writes a file for a user names it; what is left is standard output and temporary files.
    """
    no_folder = error.errno == errno.ENOENT and error.filename is None  # tempfile has tried all its folders
    if error.errno not in DISK_ERRORS and not no_folder:
        return None
    subject = error.filename or "standard output, or a temporary file in the folder TMPDIR"
    step = "free some space there, or let the variable TMPDIR name another folder"
    return PerfError(f"cannot be written: {error.strerror}", subject=str(subject), next_step=step)


def put_in_place(made: Path, path: Path) -> None:
    """Rename a finished folder to its final name on the same disk, and flush the rename. Raises OSError on failure."""
    made.rename(path)
    flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk. Only then does a new or changed name in it survive a power cut (fsync(2)).

    Raises OSError on failure.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
