"""Stopping and continuing real processes that compute on several threads."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from perf.measure.workers.turns import Processes, turn
from tests.support.leftovers import states

THREADS = 3
# sha256 releases the interpreter lock, so that the threads really run at the same time.
SPIN = f"""
import hashlib, threading
data = bytes(1 << 16)
def spin():
    while True:
        hashlib.sha256(data)
for _ in range({THREADS - 1}):
    threading.Thread(target=spin, daemon=True).start()
print("ready", flush=True)
spin()
"""
PATIENCE_S = 30.0


@pytest.fixture
def spinning() -> Iterator[subprocess.Popen[bytes]]:
    """A process all of whose threads compute without a pause."""
    with subprocess.Popen([sys.executable, "-c", SPIN], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process
        process.kill()


@pytest.fixture
def ended() -> Iterator[subprocess.Popen[bytes]]:
    """A process that exited with code 7, for which nobody has waited yet."""
    with subprocess.Popen(["sh", "-c", "exit 7"]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        yield process


def cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def wait_until_it_computes(pid: int) -> None:
    before, deadline = cpu_s(pid), time.monotonic() + PATIENCE_S
    while cpu_s(pid) == before:
        assert time.monotonic() < deadline, "it never continued"
        time.sleep(0.01)


def test_held_processes_compute_nothing_on_any_thread(spinning: subprocess.Popen[bytes]) -> None:
    wait_until_it_computes(spinning.pid)
    Processes([spinning.pid]).hold()
    assert states(spinning.pid) == {"T"}, "all threads have stopped when hold returns"
    before = cpu_s(spinning.pid)
    time.sleep(0.2)
    assert cpu_s(spinning.pid) == before


def test_released_processes_continue_to_compute(spinning: subprocess.Popen[bytes]) -> None:
    Processes([spinning.pid]).hold()
    Processes([spinning.pid]).release()
    wait_until_it_computes(spinning.pid)
    assert "T" not in states(spinning.pid)


def test_holding_and_releasing_twice_is_the_same_as_once(spinning: subprocess.Popen[bytes]) -> None:
    for _ in range(2):
        Processes([spinning.pid]).hold()
        assert states(spinning.pid) == {"T"}
    for _ in range(2):
        Processes([spinning.pid]).release()
    wait_until_it_computes(spinning.pid)


def test_all_threads_are_stopped_after_every_turn(spinning: subprocess.Popen[bytes]) -> None:
    """A stop that was reported before must not be taken for the next one."""
    Processes([spinning.pid]).hold()
    for _ in range(200):
        with turn(Processes([spinning.pid])):
            pass
        assert states(spinning.pid) == {"T"}


def test_a_process_that_ended_is_left_for_its_owner_to_reap(ended: subprocess.Popen[bytes]) -> None:
    Processes([ended.pid]).hold()
    Processes([ended.pid]).release()
    assert ended.wait(PATIENCE_S) == 7


def test_a_reaped_process_is_skipped(ended: subprocess.Popen[bytes]) -> None:
    ended.wait(PATIENCE_S)
    with turn(Processes([ended.pid])):
        pass


def test_an_ended_process_does_not_keep_another_from_being_held(
    ended: subprocess.Popen[bytes], spinning: subprocess.Popen[bytes]
) -> None:
    Processes([ended.pid, spinning.pid]).hold()
    assert states(spinning.pid) == {"T"}


def test_a_held_process_can_be_killed(spinning: subprocess.Popen[bytes]) -> None:
    Processes([spinning.pid]).hold()
    spinning.kill()
    assert spinning.wait(PATIENCE_S) == -signal.SIGKILL


def test_a_process_runs_during_its_turn_and_is_stopped_after_it(spinning: subprocess.Popen[bytes]) -> None:
    Processes([spinning.pid]).hold()
    with turn(Processes([spinning.pid])):
        wait_until_it_computes(spinning.pid)
    assert states(spinning.pid) == {"T"}


def test_a_turn_without_processes_is_allowed() -> None:
    with turn(Processes([])):
        pass
