"""Waiting until idle workers really are idle."""

import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import psutil

# libiomp5's threads spin for 200 ms after a parallel region (KMP_BLOCKTIME) and would steal the next variant's cores.
# CPU times count in ticks of 10 ms, so two still windows of 15 ms cannot hide a thread that spins.
WINDOW_S = 0.015
STILL_WINDOWS = 2
LIMIT_S = 3.0


def wait_until_quiet(pids: Collection[int]) -> bool:
    """Wait until the processes' CPU time stands still and none of their threads wants a CPU; False when that did not
    come about within `LIMIT_S`.

    A process that is gone is quiet: its end is noticed by whoever asks it next.
    """
    processes = []
    for pid in pids:
        try:
            processes.append(psutil.Process(pid))
        except psutil.NoSuchProcess:
            continue
    deadline = time.monotonic() + LIMIT_S
    still, before = 0, _cpu_seconds(processes)
    while still < STILL_WINDOWS:
        if time.monotonic() > deadline:
            return False
        time.sleep(WINDOW_S)
        now = _cpu_seconds(processes)
        # Where others, or the hypervisor, take the CPUs, time stands still for threads that spin as well.
        quiet = now == before and not any(_wants_cpu(process.pid) for process in processes)
        still, before = (still + 1 if quiet else 0), now
    return True


def _wants_cpu(pid: int) -> bool:
    """Whether a thread of the process runs or waits for a CPU: state R in proc(5)."""
    with suppress(OSError):  # the process ended meanwhile
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):  # the thread did
                if (task / "stat").read_text().rpartition(")")[2].split()[0] == "R":
                    return True
    return False


def _cpu_seconds(processes: list[psutil.Process]) -> float:
    total = 0.0
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total
