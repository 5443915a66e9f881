"""Waiting until idle workers really are idle."""

import time
from collections.abc import Collection

import psutil

# libiomp5's threads spin for 200 ms after a parallel region (KMP_BLOCKTIME) and would steal the next variant's cores.
# CPU times count in ticks of 10 ms, so two still windows of 15 ms cannot hide a thread that spins.
WINDOW_S = 0.015
STILL_WINDOWS = 2
LIMIT_S = 3.0


def wait_until_quiet(pids: Collection[int]) -> bool:
    """Wait until the processes' CPU time stands still; False when it did not within `LIMIT_S`.

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
        still, before = (still + 1 if now == before else 0), now
    return True


def _cpu_seconds(processes: list[psutil.Process]) -> float:
    total = 0.0
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total
