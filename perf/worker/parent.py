"""A child process that must not outlive the measuring process."""

import ctypes
import signal

PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Let the kernel kill this process when its parent dies, however it dies (prctl(2), PR_SET_PDEATHSIG): an orphan
    would steal the cores of the next session.
    """
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
