"""Whose turn it is: every process that is not being measured is stopped, so that none takes a core.

Threads of Intel's OpenMP library spin for 200 ms after a pass (KMP_BLOCKTIME). Waiting for them took half of the
measuring time; a stopped process spins no more, and its next pass is like the others (docs/gate.md).
"""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress


def hold(pids: Sequence[int]) -> None:
    """Stop child processes, and return once the kernel says that every thread of theirs has stopped. A process that has
    ended is left alone: whoever asks it next notices.
    """
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    for pid in pids:
        with suppress(ChildProcessError):
            # WNOWAIT: an end that is seen here must still be there for who waits for it, a stop for the next call.
            os.waitid(os.P_PID, pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)


def release(pids: Sequence[int]) -> None:
    """Let stopped processes run again."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@contextmanager
def turn(pids: Sequence[int]) -> Iterator[None]:
    """Let processes run meanwhile, and stop them afterwards."""
    release(pids)
    try:
        yield
    finally:
        hold(pids)
