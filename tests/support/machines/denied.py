"""Runs a command some of whose system calls fail: `python denied.py ERROR CALL[,CALL...] COMMAND...`.

Containers do that with seccomp(2): Docker's profile refuses set_mempolicy without the capability SYS_NICE. File systems
do it, too: some have no flock.
"""

import ctypes
import errno
import os
import struct
import sys
from pathlib import Path

DENIED = Path(__file__)
# On x86-64, where the wheels run.
NUMBERS = {"flock": 73, "mbind": 237, "set_mempolicy": 238, "get_mempolicy": 239}
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
# BPF_LD | BPF_W | BPF_ABS, BPF_JMP | BPF_JEQ | BPF_K, BPF_RET | BPF_K
LOAD, JUMP_UNLESS_EQUAL, RETURN = 0x20, 0x15, 0x06
SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO = 0x7FFF0000, 0x00050000


class Filter(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def deny(calls: list[str], error: int) -> None:
    """Let these calls of this process, and of all that it starts, fail with an error. Raises OSError on failure."""
    steps = [(LOAD, 0, 0, 0)]  # the call's number
    for call in calls:
        steps += [(JUMP_UNLESS_EQUAL, 0, 1, NUMBERS[call]), (RETURN, 0, 0, SECCOMP_RET_ERRNO | error)]
    steps.append((RETURN, 0, 0, SECCOMP_RET_ALLOW))
    code = b"".join(struct.pack("HBBI", *step) for step in steps)
    libc = ctypes.CDLL(None, use_errno=True)
    program = ctypes.byref(Filter(len(steps), code))
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp cannot be used here")


if __name__ == "__main__":
    deny(sys.argv[2].split(","), getattr(errno, sys.argv[1]))
    os.execvp(sys.argv[3], sys.argv[3:])  # noqa: S606 - the command is a test's
