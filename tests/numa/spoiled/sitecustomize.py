"""Runs when a worker's Python starts, and spoils what the launch prefix did, as SPOIL says."""

import ctypes
import os
import threading

BIND = 2  # MPOL_BIND of linux/mempolicy.h
SET_MEMPOLICY = 238  # its number among the system calls of x86-64
LEFT_BYTES = 256 << 20


def bind_memory(node: int) -> None:
    """Bind this thread's memory from now on."""
    mask = ctypes.c_ulong(1 << node)
    if ctypes.CDLL(None, use_errno=True).syscall(SET_MEMPOLICY, BIND, ctypes.byref(mask), ctypes.c_ulong(64)):
        raise OSError(ctypes.get_errno(), "set_mempolicy")


def wander() -> None:
    """Leave the CPUs of the launch prefix, in this thread alone."""
    os.sched_setaffinity(threading.get_native_id(), range(os.cpu_count() or 1))
    threading.Event().wait()


match os.environ.get("SPOIL"):
    case "thread":
        threading.Thread(target=wander, daemon=True).start()
    case "pages":
        # Memory that a library had before it was bound stays where it is.
        node = int(os.environ["SPOIL_NODE"])
        bind_memory(1 - node)
        LEFT = bytearray(b"1") * LEFT_BYTES
        bind_memory(node)
