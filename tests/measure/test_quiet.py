"""Waiting for real processes to stand still."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from perf.measure.quiet import LIMIT_S, wait_until_quiet

SPIN = [sys.executable, "-c", "print(flush=True)\nwhile True: pass"]


@pytest.fixture
def spinning() -> Iterator[list[subprocess.Popen[bytes]]]:
    """More processes that spin than there are CPUs to starve them all."""
    processes = [subprocess.Popen(SPIN, stdout=subprocess.PIPE) for _ in range(4)]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def test_spinning_then_stopped_then_gone(spinning: list[subprocess.Popen[bytes]]) -> None:
    pids = [process.pid for process in spinning]
    started = time.monotonic()
    assert not wait_until_quiet(pids)
    assert LIMIT_S <= time.monotonic() - started < LIMIT_S + 10
    for process in spinning:
        process.send_signal(signal.SIGSTOP)
    assert wait_until_quiet(pids)
    for process in spinning:
        process.kill()
    assert wait_until_quiet(pids), "dead, but not waited for"
    for process in spinning:
        process.wait()
    assert wait_until_quiet(pids)


def test_idle_process_and_no_process() -> None:
    with subprocess.Popen(["sleep", "60"]) as idle:
        assert wait_until_quiet([idle.pid])
        idle.kill()
    assert wait_until_quiet([])
