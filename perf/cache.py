"""The cache: the folder that holds builds and networks between sessions, with a lock for each entry."""

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

import filelock
import platformdirs

from perf.errors import PerfError

VARIABLE = "MXNET_PERF_CACHE"
OPTION = "--perf-cache"
# What to do about a cache that cannot be used.
CHOOSE = f"choose another folder with {OPTION} FOLDER or the variable {VARIABLE}"
# How long to wait for a lock: longer than any single step of the session that holds it may take.
LOCK_WAIT_S = 60 * 60.0
# What a file system without flock answers. Where the kernel has none (ENOSYS), filelock uses files instead.
NO_LOCKS = frozenset({errno.ENOLCK, errno.EOPNOTSUPP})


def cache_folder(option: str | None) -> Path:
    """Return the cache folder: the option's, else MXNET_PERF_CACHE's, else the user's. It is created when missing.

    Raises PerfError when it cannot be written to, or the user has no home folder.
    """
    chosen = option or os.environ.get(VARIABLE)
    try:
        folder = Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("mxnet-perf")
    except RuntimeError as error:  # ~USER without such a user, or nothing chosen and no home
        reason = f"cannot be used: {error}" if chosen else "this user has no home folder to keep a cache in"
        raise PerfError(reason, subject=chosen or "the cache", next_step=CHOOSE) from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder.resolve()
    except OSError as error:
        raise unusable(folder, error) from error


def unusable(folder: Path, error: OSError) -> PerfError:
    """Return the error for a cache that cannot be used: read-only, full, without locks, or not a folder."""
    if error.errno in NO_LOCKS:
        what = f"the file system of the cache cannot lock files (flock): {error.strerror}"
        return PerfError(what, subject=str(folder), next_step=CHOOSE)
    step = f"free some space there, or {CHOOSE}"
    return PerfError(f"the cache cannot be written to: {error.strerror or error}", subject=str(folder), next_step=step)


@contextmanager
def locked(shelf: Path, name: str, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of the entry `name` in the cache's folder `shelf`, and report when another session holds it.

    The kernel releases the lock when its holder dies. Raises PerfError when the lock is not released within
    `LOCK_WAIT_S`, OSError when the cache cannot be written to.
    """
    lock = filelock.FileLock(lock_file(shelf, name))
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        say(f"{name}: waiting for another session that is making or checking it")
        try:
            lock.acquire(timeout=LOCK_WAIT_S, poll_interval=0.2)
        except filelock.Timeout as error:
            message = f"another session has held {lock.lock_file} for {LOCK_WAIT_S / 60:g} minutes"
            raise PerfError(message, subject=name, next_step="stop that session, then run again") from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def if_free(lock_file: Path) -> Iterator[bool]:
    """Try to hold a lock, and yield whether it is held. Raises OSError when the lock file cannot be created."""
    lock = filelock.FileLock(lock_file)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def unfinished(shelf: Path, name: str) -> Path:
    """Return a new path for an unfinished folder, which `remove_leftovers` may remove."""
    # A new name for each attempt: uv may outlive a session that was killed, and keep writing to the old one.
    return shelf / f"{name}.{token_hex(4)}.tmp"


def remove_leftovers(shelf: Path, mine: str) -> None:
    """Remove what killed sessions left: unfinished folders of the entry `mine`, whose lock the caller holds, and of
    every entry whose lock is free.

    Raises OSError when the cache cannot be read or locked.
    """
    for folder in shelf.glob("*.tmp"):
        name = folder.name.rsplit(".", 2)[0]
        if name == mine:
            remove(folder)
            continue
        with if_free(lock_file(shelf, name)) as free:
            if free:
                remove(folder)


def remove(folder: Path) -> None:
    """Remove a folder as far as possible; the next session removes the rest."""
    shutil.rmtree(folder, ignore_errors=True)


def lock_file(shelf: Path, name: str) -> Path:
    """Return the file that is locked while the entry `name` of the cache's folder `shelf` is made or checked."""
    return shelf / f"{name}.lock"
