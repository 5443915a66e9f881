"""Files: read within bounds, and named in the error when they cannot be used; written whole or not at all.

A reader sees a file's old content or its new one, never a part, whatever is killed meanwhile.
"""

import os
import stat
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from perf.errors import PerfError

# The checkout: it holds pyproject.toml, uv.lock, baselines/ and the package perf.
ROOT = Path(__file__).resolve().parents[1]
# The largest file of the project, uv.lock, has 0.5 MB, and so has a nightly run.
MAX_BYTES = 50_000_000
CORRECT = "correct the file, or restore it with git"

T = TypeVar("T")


def read_bytes(path: Path, *, next_step: str = CORRECT, most: int = MAX_BYTES) -> bytes:
    """Return a file's content.

    Raises PerfError, naming the file, when it cannot be read, is no regular file (a pipe could keep its reader for
    ever), or holds more than `most` bytes.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise PerfError("cannot be read: it is no regular file", subject=str(path), next_step=next_step)
        if status.st_size > most:
            message = f"is too large: {status.st_size / 1e6:.0f} MB, and at most {most / 1e6:.0f} MB are read"
            raise PerfError(message, subject=str(path), next_step=next_step)
        with path.open("rb") as stream:
            return stream.read(most)
    except OSError as error:
        raise PerfError(f"cannot be read: {error.strerror}", subject=str(path), next_step=next_step) from error


def read_text(path: Path, *, next_step: str = CORRECT) -> str:
    """Return a file's text. Raises PerfError as `read_bytes` does, and when it is no UTF-8."""
    return _understood(read_bytes(path, next_step=next_step).decode, path, next_step)


def read_json(path: Path, kind: type[T], *, next_step: str = CORRECT) -> T:
    """Return the JSON in a file as a `kind`. Raises PerfError as `read_bytes` does, and when it is none."""
    return decoded(read_bytes(path, next_step=next_step), kind, path, next_step=next_step)


def read_toml(path: Path, kind: type[T], *, next_step: str = CORRECT) -> T:
    """Return the TOML in a file as a `kind`. Raises PerfError as `read_bytes` does, and when it is none."""
    text = read_text(path, next_step=next_step)
    return _understood(lambda: msgspec.convert(tomllib.loads(text), kind), path, next_step)


def decoded(content: bytes, kind: type[T], path: Path, *, next_step: str = CORRECT) -> T:
    """Return JSON that was read from a file as a `kind`. Raises PerfError, naming the file, when it is none."""
    return _understood(lambda: msgspec.json.decode(content, type=kind), path, next_step)


def _understood(decode: Callable[[], T], path: Path, next_step: str) -> T:
    try:
        return decode()
    except RecursionError as error:
        raise PerfError("is damaged: it is nested too deeply", subject=str(path), next_step=next_step) from error
    except (msgspec.MsgspecError, ValueError) as error:
        raise PerfError(f"is damaged: {error}", subject=str(path), next_step=next_step) from error


def write_whole(path: Path, content: bytes) -> None:
    """Write `content` to a temporary file beside `path`, flush it to the disk, rename it over `path`, and flush that.

    OSError when the folder cannot be written to; `path` is then as it was.
    """
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


def put_in_place(made: Path, path: Path) -> None:
    """Rename a finished folder to its final name on the same disk, and flush that. OSError when that fails."""
    made.rename(path)
    flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk: a name that was made or changed in it survives a power cut only then
    (fsync(2)). OSError when that fails.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
