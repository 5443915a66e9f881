"""The process in which one instance's kernels run: a thread on each of its CPUs, all at the same times.

Run as `python -m perf.limits.program REQUEST`, with the request as JSON. It prints `READY`, reads the start time, and
prints one `KernelReply` for each turn.
"""

import ctypes
import mmap
import os
import platform
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from threading import Barrier
from typing import Any

import msgspec

from perf.limits.kernels import CHAIN, MEMORY, STAMPS, Kernel, kernels
from perf.limits.machine_code import Compiled, compiled
from perf.limits.request import READY, KernelReply, ProbeRequest, ThreadReply, Turn

# A chunk of arithmetic lasts about as long: far longer than reading the clock, far shorter than a scheduler's slice.
CHUNK_NS = 1_000_000
# Rounds that find out how long a round takes: about 0.1 ms.
TRIAL_ROUNDS = 4000
# Rounds of the chain of additions, 64 cycles each: 40 us, less than a clock that AVX-512 lowered takes to recover.
LINKS = 2000
# More chunks than fit into any turn.
MOST_CHUNKS = 4096
# How long to wait for the CPUs of one instance to arrive at a turn; longer means that one of them is stuck.
ARRIVAL_S = 5.0
# arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA), which grants AMX (Linux, Documentation/arch/x86/xstate.rst).
ARCH_PRCTL, REQUEST_PERMISSION, TILE_DATA = 158, 0x1023, 18
# Tile configuration, palette 1: eight tiles of 16 rows (from byte 48) with 64 bytes each (from byte 16).
TILE_CONFIGURATION = bytes([1]) + bytes(15) + bytes([64, 0] * 8) + bytes(16) + bytes([16] * 8) + bytes(8)


@dataclass(frozen=True)
class _Clock:
    """Two readings of the time stamp counter, `ticks`, and of the monotonic clock, `ns`."""

    ticks: tuple[int, int]
    ns: tuple[int, int]

    def to_ns(self, ticks: int) -> float:
        scale = (self.ns[1] - self.ns[0]) / (self.ticks[1] - self.ticks[0])
        return self.ns[0] + (ticks - self.ticks[0]) * scale


@dataclass(frozen=True)
class _Log:
    """The stamps of a thread's chunks in a turn, each of `rounds` rounds."""

    rounds: int
    ticks: list[int]


def main() -> None:
    """Run the request in the first argument."""
    request = msgspec.json.decode(sys.argv[1], type=ProbeRequest)
    chosen = {turn.kernel: kernels()[turn.kernel] for turn in request.turns}
    code = compiled(list(chosen.values()))
    barrier = Barrier(len(request.cpus))
    with ThreadPoolExecutor(len(request.cpus)) as pool:
        arrays = list(pool.map(lambda cpu: _array(cpu, request.array_bytes, barrier), request.cpus))
        print(READY, flush=True)
        start_ns = int(sys.stdin.readline())
        for turn in request.turns:
            kernel = chosen[turn.kernel]
            reply = _refused(kernel, code) or _measured(turn, kernel, code, arrays, pool, start_ns, request.cpus)
            sys.stdout.write(msgspec.json.encode(reply).decode() + "\n")
            sys.stdout.flush()


def _array(cpu: int, size: int, barrier: Barrier) -> mmap.mmap:
    """Return memory that this thread, on its CPU from now on, touched first."""
    barrier.wait(ARRIVAL_S)  # so that the pool makes a thread for each CPU
    os.sched_setaffinity(0, {cpu})
    array = mmap.mmap(-1, size)
    with suppress(OSError):  # a kernel without huge pages
        array.madvise(mmap.MADV_HUGEPAGE)
    ctypes.memset(_address(array), 1, size)
    array[: len(TILE_CONFIGURATION)] = TILE_CONFIGURATION
    return array


def _address(array: mmap.mmap) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(array))


def _refused(kernel: Kernel, code: Compiled) -> KernelReply | None:
    """Return the reply for a kernel that must not run; None if it may."""
    problem = code.loop_problem(kernel)
    if problem is None and "amx_tile" in kernel.flags:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syscall(ARCH_PRCTL, REQUEST_PERMISSION, TILE_DATA):
            problem = f"Linux {platform.release()} does not grant AMX: {os.strerror(ctypes.get_errno())}"
    return KernelReply(kernel.name, [], problem) if problem else None


def _measured(
    turn: Turn,
    kernel: Kernel,
    code: Compiled,
    arrays: list[mmap.mmap],
    pool: ThreadPoolExecutor,
    start_ns: int,
    cpus: tuple[int, ...],
) -> KernelReply:
    barrier = Barrier(len(cpus))
    timed = code.timed(kernel)
    begin = start_ns + int(turn.start_s * 1e9)
    before = code.now(), time.monotonic_ns()
    while time.monotonic_ns() < begin:
        time.sleep(max(0.0, (begin - time.monotonic_ns()) / 1e9))
    until_ns = begin + int(turn.duration_s * 1e9)
    logs = list(
        pool.map(lambda place: _run(place, kernel, timed, code.now, until_ns, barrier), zip(cpus, arrays, strict=True))
    )
    clock = _Clock((before[0], code.now()), (before[1], time.monotonic_ns()))
    return KernelReply(kernel.name, [_reply(log, kernel, clock) for log in logs])


def _run(
    place: tuple[int, mmap.mmap], kernel: Kernel, timed: Any, now: Callable[[], int], until_ns: int, barrier: Barrier
) -> _Log:
    """Run chunks of a kernel on a CPU until the time is over."""
    cpu, array = place
    barrier.wait(ARRIVAL_S)  # so that no thread of the pool takes two CPUs
    os.sched_setaffinity(0, {cpu})
    log = (ctypes.c_uint64 * (STAMPS * MOST_CHUNKS))()
    streams, address = max(1, kernel.streams), _address(array)
    arguments = (address, address + len(array) // streams)
    if kernel.kind in MEMORY:
        rounds = len(array) // streams // (64 * kernel.steps)
        before = now(), time.monotonic_ns()
        time.sleep(0.001)
    else:
        before = now(), time.monotonic_ns()
        timed(TRIAL_ROUNDS, 1, 0, log, 1, *arguments)
        timed(TRIAL_ROUNDS, 1, 0, log, 1, *arguments)
        rounds = TRIAL_ROUNDS
    after = now(), time.monotonic_ns()
    ticks_per_ns = (after[0] - before[0]) / (after[1] - before[1])
    if kernel.kind not in MEMORY:
        rounds = max(1, int(TRIAL_ROUNDS * CHUNK_NS * ticks_per_ns / (log[1] - log[0])))
    until = after[0] + int(max(0, until_ns - after[1]) * ticks_per_ns)
    count = timed(rounds, LINKS, until, log, MOST_CHUNKS, *arguments)
    return _Log(rounds, list(log[: count * STAMPS]))


def _reply(log: _Log, kernel: Kernel, clock: _Clock) -> ThreadReply:
    stamps = [clock.to_ns(ticks) for ticks in log.ticks]
    starts, ends, chained = (stamps[number::STAMPS] for number in range(STAMPS))
    clocks = [LINKS * CHAIN / (after - end) for end, after in zip(ends, chained, strict=True)]
    return ThreadReply(log.rounds * kernel.round_work, list(zip(starts, ends, strict=True)), clocks)


if __name__ == "__main__":
    main()
