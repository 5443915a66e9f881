"""One session at a time measures on a machine, whoever starts it and whatever its cache.

The lock is a name in Linux's abstract socket namespace (unix(7)): the kernel frees it when its holder dies, it needs no
file that two users must both write, and no file system that has locks. Containers with a network of their own do not
see each other's: there, whoever runs them must keep them apart. So do sessions with different values of `VARIABLE`: the
suite's own tests, which time nothing, run several at once.
"""

import errno
import hashlib
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from perf.errors import PerfError

NAME = "\0mxnet-perf-measuring"
VARIABLE = "MXNET_PERF_LOCK"
# A nightly session takes hours. Whatever holds the name for a day hangs.
WAIT_S = 24 * 60 * 60.0
# Between two tries. A session takes seconds to set up: a shorter time would gain nothing.
POLL_S = 0.5
# For how long to let go between two parts of a long measurement, so that whoever waits gets its turn.
TURN_S = 2 * POLL_S
# struct ucred: process, user and group id (socket(7), SO_PEERCRED).
CREDENTIALS = struct.Struct("3i")


def lock_name() -> str:
    """Return the name that a session of this shell holds: an abstract one may have 107 bytes."""
    own = os.environ.get(VARIABLE)
    return f"{NAME}-{hashlib.sha256(own.encode()).hexdigest()[:16]}" if own else NAME


@contextmanager
def alone_on_machine(
    *, wait: bool, say: Callable[[str], None], name: str | None = None, most_s: float = WAIT_S
) -> Iterator[None]:
    """Hold the machine for the block. When another session holds it, `say` so and `wait` up to `most_s` seconds.

    Raises PerfError, naming the other process, when it is held and shall not be waited for, or for too long.
    """
    name = name or lock_name()
    deadline_s = time.monotonic() + most_s
    said = False
    while (held := _hold(name)) is None:
        # The holder is asked only when it is shown: nobody accepts its connections, and their number is limited.
        if not wait or time.monotonic() > deadline_s:
            raise PerfError(
                f"another session is measuring: {_holder(name)}",
                subject="this machine",
                next_step="wait until it ends; --perf-when-busy=wait does so",
            )
        if not said:
            say(f"waiting for another session that is measuring on this machine: {_holder(name)}")
            said = True
        time.sleep(POLL_S)
    with held:
        yield


def _hold(name: str) -> socket.socket | None:
    """Bind the name; None when another process holds it."""
    held = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        held.bind(name)
        held.listen()
    except OSError as error:
        held.close()
        if error.errno != errno.EADDRINUSE:
            raise
        return None
    return held


def _holder(name: str) -> str:
    """Return which process holds the name, as text."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.settimeout(1.0)
        try:
            other.connect(name)
            process, user, _ = CREDENTIALS.unpack(
                other.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
            )
        except OSError:
            return "a process that is just ending or starting"
    # 0 is a process outside this container.
    return f"process {process} of user {user}" if process else f"a process outside this container, of user {user}"
