"""Turns: every process that is not being measured is stopped, so that it takes no core from the one that is.

Threads of Intel's OpenMP library spin for 200 ms after a pass (KMP_BLOCKTIME). Waiting for that took half of the
measuring time. A stopped process does not spin, and its next pass takes no longer than any other
(docs/explanation/gate.md).
"""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol


class Held(Protocol):
    """The processes of a worker group or a training job, on any host, which take turns."""

    def hold(self) -> None:
        """Stop all processes, and return once they have stopped."""

    def release(self) -> None:
        """Let all processes run again."""


@dataclass(frozen=True)
class Processes:
    """Child processes that take turns together. One that has ended is skipped: its next request fails.

    pids: their process ids.
    """

    pids: Sequence[int]

    def hold(self) -> None:
        """Stop all processes, and return once the kernel reports that all their threads have stopped."""
        for pid in self.pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        for pid in self.pids:
            with suppress(ChildProcessError):
                # WNOWAIT leaves an end to be reaped by its owner, and a stop to be seen by the next call.
                os.waitid(os.P_PID, pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def release(self) -> None:
        """Let all processes run again."""
        for pid in self.pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@contextmanager
def turn(held: Held) -> Iterator[None]:
    """Release `held` for the block, then hold it again. After an exception it is not held: the caller closes it."""
    held.release()
    yield
    held.hold()
