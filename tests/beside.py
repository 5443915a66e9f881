"""Tests in several processes (pytest-xdist): which go together, and which run while no other one does."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling


class ByFixtures(LoadScopeScheduling):  # type: ignore[misc] # untyped
    """Tests that share what takes seconds to make go to one process: those of a folder of tests/integration,
    and those of tests/numa."""

    def _split_scope(self, nodeid: str) -> str:
        path = Path(nodeid.partition("::")[0])
        return str(path.parent if {"integration", "numa"}.intersection(path.parts) else path)


@contextmanager
def turn(folder: Path, *, alone: bool) -> Iterator[None]:
    """Wait for a turn on the machine, alone or beside other tests. `folder` is the same in all processes. Nobody
    overtakes a test that waits.
    """
    with (folder / "next.lock").open("w") as queue, (folder / "machine.lock").open("w") as machine:
        fcntl.flock(queue, fcntl.LOCK_EX)
        fcntl.flock(machine, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(queue, fcntl.LOCK_UN)
        try:
            yield
        finally:
            # Closing it is not enough: a process that a test forked may still have it open.
            fcntl.flock(machine, fcntl.LOCK_UN)
