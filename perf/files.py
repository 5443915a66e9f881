"""Writing files whole: a reader sees the old content or the new, never a part, whatever is killed meanwhile."""

import os
import tempfile
from pathlib import Path


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
