"""Writing files whole: a reader sees the old content or the new, never a part, whatever is killed meanwhile."""

import os
import tempfile
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write `content` to a temporary file beside `path`, flush it to the disk, and rename it over `path`.

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
