"""Signals that ask a session to end: it ends in order, removes what it made, and can be resumed.

pytest does this for Ctrl-C only. SIGTERM (a service manager, `timeout`, a cancelled workflow) and SIGHUP (a terminal
that closes) would end the process at once and leave its temporary folder, without a summary.
"""

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Ending workers and storing the run takes less. A signal that comes later ends whatever hangs.
ENDING_S = 10.0
# Where the kernel shows terminals: pseudo-terminals, serial and virtual consoles.
TERMINALS = ("/dev/pts/", "/dev/tty", "/dev/console")


class Ending:
    """The handler of signals that ask to end: the first raises KeyboardInterrupt, which pytest answers by ending in
    order; those of the next `ENDING_S` are ignored, so that a second Ctrl-C cannot stop the cleaning up. So are those
    that come in the `ENDING_S` after `begin`: the session ends anyway, and must store its run first.
    """

    def __init__(self) -> None:
        self._since_s: float | None = None

    def begin(self) -> None:
        """Take note that the session has begun to end."""
        self._since_s = time.monotonic()

    def __call__(self, number: int, _: FrameType | None) -> None:
        """Handle a signal. Raises KeyboardInterrupt."""
        if number == signal.SIGHUP:
            leave_terminals()
        now_s = time.monotonic()
        if self._since_s is not None and now_s < self._since_s + ENDING_S:
            return
        self.begin()
        raise KeyboardInterrupt(f"{signal.Signals(number).name} asked the session to end")


def end_in_order(handler: Ending) -> Callable[[], None]:
    """Let `handler` answer signals, and return what restores the handlers before. Signals that whoever started the
    session ignores, as nohup does, stay ignored. Outside the main thread, where Python sets no handlers, nothing is
    changed.
    """
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    before: dict[signal.Signals, Any] = {number: signal.getsignal(number) for number in SIGNALS}
    replaced = {number: old for number, old in before.items() if old not in {signal.SIG_IGN, None}}
    for number in replaced:
        signal.signal(number, handler)

    def restore() -> None:
        for number, old in replaced.items():
            signal.signal(number, old)

    return restore


def leave_terminals() -> None:
    """Let what is open on a terminal write to nowhere: writing to a closed terminal fails with EIO, which would stop
    the session from storing its run.
    """
    nowhere = os.open(os.devnull, os.O_RDWR)
    try:
        for entry in list(Path("/proc/self/fd").iterdir()):
            with suppress(OSError):
                if str(entry.readlink()).startswith(TERMINALS):
                    os.dup2(nowhere, int(entry.name), inheritable=int(entry.name) <= 2)  # noqa: PLR2004 - standard error
    finally:
        os.close(nowhere)
