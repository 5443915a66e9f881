"""Stopping and continuing real processes that compute on several threads."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from perf.measure.turns import hold, release, turn

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


def states(pid: int) -> list[str]:
    """The kernel's state of each thread, "T" for a stopped one (proc_pid_stat(5))."""
    return [path.read_text().rpartition(") ")[2][0] for path in Path(f"/proc/{pid}/task").glob("*/stat")]


def cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def wait_until_it_computes(pid: int) -> None:
    before, deadline = cpu_s(pid), time.monotonic() + PATIENCE_S
    while cpu_s(pid) == before:
        assert time.monotonic() < deadline, "it never ran again"
        time.sleep(0.01)


def test_held_processes_compute_nothing_on_any_thread(spinning: subprocess.Popen[bytes]) -> None:
    wait_until_it_computes(spinning.pid)
    hold([spinning.pid])
    assert states(spinning.pid) == ["T"] * THREADS, "all threads have stopped when hold returns"
    before = cpu_s(spinning.pid)
    time.sleep(0.2)
    assert cpu_s(spinning.pid) == before


def test_released_processes_compute_again(spinning: subprocess.Popen[bytes]) -> None:
    hold([spinning.pid])
    release([spinning.pid])
    wait_until_it_computes(spinning.pid)
    assert "T" not in states(spinning.pid)


def test_holding_and_releasing_twice_is_the_same_as_once(spinning: subprocess.Popen[bytes]) -> None:
    for _ in range(2):
        hold([spinning.pid])
        assert states(spinning.pid) == ["T"] * THREADS
    for _ in range(2):
        release([spinning.pid])
    wait_until_it_computes(spinning.pid)


def test_every_one_of_many_turns_ends_with_all_threads_stopped(spinning: subprocess.Popen[bytes]) -> None:
    """A stop that was reported before must not be taken for the next one."""
    hold([spinning.pid])
    for _ in range(200):
        with turn([spinning.pid]):
            pass
        assert states(spinning.pid) == ["T"] * THREADS


def test_a_process_that_ended_is_left_to_its_owner(ended: subprocess.Popen[bytes]) -> None:
    hold([ended.pid])
    release([ended.pid])
    assert ended.wait(PATIENCE_S) == 7


def test_a_process_that_is_gone_is_passed_over(ended: subprocess.Popen[bytes]) -> None:
    ended.wait(PATIENCE_S)
    with turn([ended.pid]):
        pass


def test_one_that_ended_keeps_no_other_one_running(
    ended: subprocess.Popen[bytes], spinning: subprocess.Popen[bytes]
) -> None:
    hold([ended.pid, spinning.pid])
    assert states(spinning.pid) == ["T"] * THREADS


def test_a_held_process_can_be_killed(spinning: subprocess.Popen[bytes]) -> None:
    hold([spinning.pid])
    spinning.kill()
    assert spinning.wait(PATIENCE_S) == -signal.SIGKILL


def test_a_process_runs_during_its_turn_and_is_stopped_after_it(spinning: subprocess.Popen[bytes]) -> None:
    hold([spinning.pid])
    with turn([spinning.pid]):
        wait_until_it_computes(spinning.pid)
    assert states(spinning.pid) == ["T"] * THREADS


def test_a_turn_that_fails_ends_with_its_process_stopped(spinning: subprocess.Popen[bytes]) -> None:
    with pytest.raises(ValueError, match="in its turn"), turn([spinning.pid]):
        raise ValueError("in its turn")
    assert states(spinning.pid) == ["T"] * THREADS


def test_no_processes_need_no_turn() -> None:
    with turn([]):
        pass
