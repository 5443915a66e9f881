"""Signals that ask a session to end."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from perf.machine import termination
from perf.machine.termination import Ending, end_in_order, leave_terminals


@pytest.fixture
def handled() -> Iterator[None]:
    """Signals are handled as in a session that nohup did not start."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    restore = end_in_order(Ending())
    yield
    restore()
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("handled")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_interrupts_by_its_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(termination, "leave_terminals", lambda: None)
    with pytest.raises(KeyboardInterrupt, match=f"{name} asked the session to end"):
        os.kill(os.getpid(), signal.Signals[name])


def test_a_second_signal_does_not_interrupt_the_end_and_a_late_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now_s[0])
    ending = Ending()
    with pytest.raises(KeyboardInterrupt):
        ending(signal.SIGINT, None)
    now_s[0] = termination.ENDING_S - 0.1
    ending(signal.SIGINT, None)
    now_s[0] = termination.ENDING_S
    with pytest.raises(KeyboardInterrupt):
        ending(signal.SIGTERM, None)


def test_signals_do_not_interrupt_a_session_that_is_ending_unless_it_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now_s[0])
    ending = Ending()
    ending.begin()
    now_s[0] = termination.ENDING_S - 0.1
    ending(signal.SIGTERM, None)
    now_s[0] = termination.ENDING_S
    with pytest.raises(KeyboardInterrupt):
        ending(signal.SIGTERM, None)


def test_ignored_signals_stay_ignored_and_handlers_are_restored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        old = signal.getsignal(signal.SIGTERM)
        restore = end_in_order(Ending())
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        assert isinstance(signal.getsignal(signal.SIGTERM), Ending)
        restore()
        assert signal.getsignal(signal.SIGTERM) == old
    finally:
        signal.signal(signal.SIGHUP, before)


CLOSED = """
import os, sys
from perf.machine.termination import leave_terminals
sys.stdin.read()
try:
    os.write(1, b"lost")
except OSError as error:
    os.write(2, str(error.errno).encode())
leave_terminals()
os.write(1, b"nowhere")
"""


@pytest.mark.filterwarnings("ignore")  # another fork, of a process with threads
def test_a_closed_terminal_is_written_to_no_more() -> None:
    ours, theirs = os.openpty()
    command = [sys.executable, "-c", CLOSED]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=theirs, stderr=subprocess.PIPE) as process:
        os.close(theirs)
        os.close(ours)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, b"5")  # EIO


def test_other_files_stay_open() -> None:
    before = os.readlink("/proc/self/fd/0")  # noqa: PTH115 - a pipe's name is no path
    leave_terminals()
    if not before.startswith(termination.TERMINALS):
        assert os.readlink("/proc/self/fd/0") == before  # noqa: PTH115 - as above
