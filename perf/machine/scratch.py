"""Temporary folders of sessions. A session removes its own at its end, and what killed sessions left before it starts.

Each session holds a lock on its folder (flock(2)), which the kernel releases when the session dies.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# What the folders' names begin with. Folders of other names are not removed, whatever is in them.
PREFIX = "mxnet-perf-session-"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield a new folder for a session's temporary files, which is removed at the end of the context. What killed
    sessions of this user left beside it is removed first.

    Raises OSError when there is no place for it.
    """
    remove_abandoned(Path(tempfile.gettempdir()))
    # It is locked before it has its name: a session that starts meanwhile must not see it without a lock.
    folder = Path(tempfile.mkdtemp(prefix=f".{PREFIX}"))
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # a file system without flock, where `remove_abandoned` removes nothing either
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        folder = folder.rename(folder.with_name(folder.name.removeprefix(".")))
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def remove_abandoned(temporary: Path) -> None:
    """Remove the folders of this user's sessions in `temporary` whose sessions have died. Never raises for a folder
    that cannot be removed.
    """
    for folder in temporary.glob(f"{PREFIX}*"):
        with suppress(OSError):  # BlockingIOError: its session lives
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if os.fstat(lock).st_uid == os.geteuid():
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)
