"""Whose turn it is: every process that is not being measured is stopped, so that none takes a core.

Threads of Intel's OpenMP library spin for 200 ms after a pass (KMP_BLOCKTIME). Waiting for them took half of the
measuring time; a stopped process spins no more, and its next pass is like the others (docs/explanation/gate.md).
"""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol


class Held(Protocol):
    """What takes turns: the processes of a worker or of a job, on this host or others."""

    def hold(self) -> None:
        """Stop all processes, and return when they have stopped."""

    def release(self) -> None:
        """Let them run again."""


@dataclass(frozen=True)
class Processes:
    """Child processes that take turns together. One that has ended is left alone: whoever asks it next notices."""

    pids: Sequence[int]

    def hold(self) -> None:
        """Stop all processes, and return once the kernel says that every thread of theirs has stopped."""
        for pid in self.pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        for pid in self.pids:
            with suppress(ChildProcessError):
                # WNOWAIT: an end that is seen here must still be there for who waits for it, a stop for the next call.
                os.waitid(os.P_PID, pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def release(self) -> None:
        """Let them run again."""
        for pid in self.pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@contextmanager
def turn(held: Held) -> Iterator[None]:
    """Let what is held run meanwhile, and hold it again afterwards; what failed meanwhile is to be ended, not held."""
    held.release()
    yield
    held.hold()
