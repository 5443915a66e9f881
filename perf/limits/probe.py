"""Measuring the limits: the same kernels at the same time on all CPUs of all instances."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from itertools import zip_longest

import msgspec

from perf.files import ROOT, UNREADABLE
from perf.limits.cpu import Cpu, cache_bytes, read_cpu
from perf.limits.kernels import MEMORY, Kernel, Kind, kernels_for
from perf.limits.rates import Chunks, best_rate, clock_ghz
from perf.limits.request import READY, KernelReply, ProbeRequest, ThreadReply, Turn
from perf.limits.result import EXPECTED_FRACTION, KernelLimit, MachineLimits
from perf.machine import Placement, Topology, free_bytes, read_topology

# Long enough for tens of chunks of arithmetic, and for some walks through memory; in all about 2 s.
DURATION_S: dict[Kind, float] = {"fp32": 0.08, "int8": 0.08, "read": 0.12, "copy": 0.12}
# Turns of each kernel, with those of all other kernels between them: neighbours may disturb one turn for all its time.
REPEATS = 2
# Between two kernels, so that the CPUs of all instances arrive in time.
PAUSE_S = 0.02
# The arrays are larger than all caches by this factor, so that little of them is in a cache.
BEYOND_CACHE = 3
# A virtual machine with few CPUs can see the cache of a whole socket, and filling more would take seconds.
MOST_ARRAY_BYTES = 1 << 29
# The cache where sysfs names none: more than most CPUs have.
ASSUMED_CACHE_BYTES = 64 << 20
# The part of the free memory that arrays may take.
MEMORY_FRACTION = 4
PAGE = 4096
# A probe takes about 2 s. After this time its processes are ended.
DEADLINE_S = 60.0


def probe(placements: Sequence[Placement]) -> MachineLimits:
    """Measure what the CPUs and the memory of these instances can do together. What fails is in its `problems`.

    Raises PerfError when the CPU or its topology cannot be read.
    """
    started_s = time.monotonic()
    cpu, cpus = read_cpu(), [number for placement in placements for number in placement.cpus]
    chosen = kernels_for(cpu.flags)
    cache = cache_bytes(cpus)
    array = array_bytes(cache, free_bytes(), len(cpus))
    cores = physical_cores(read_topology(), cpus)
    replies, problems = _run(placements, timetable(chosen), array)
    limits = [limit for kernel in chosen if (limit := limit_of(kernel, replies, cpu, cores, len(cpus)))]
    measured = {limit.kernel for limit in limits}
    ran = {reply.kernel for of_instance in replies for reply in of_instance if not reply.problem}
    problems += [
        f"{kernel.name} was not measured: its CPUs never worked at the same time, since other programs ran"
        for kernel in chosen
        if kernel.name in ran - measured
    ]
    if not any(kernel.kind == "fp32" for kernel in chosen):
        problems.append("this CPU has no FMA instructions, which the kernels of arithmetic use")
    return MachineLimits(
        kernels=limits,
        cores=cores,
        vendor=cpu.vendor,
        core_name=cpu.core.name if cpu.core else None,
        cache_bytes=cache,
        array_bytes=array * len(cpus),
        problems=[*problems, *doubts(limits, cpu, cache, array * len(cpus))],
        elapsed_s=round(time.monotonic() - started_s, 2),
    )


def array_bytes(cache: int | None, free: int | None, cpus: int) -> int:
    """Return how much memory each CPU walks: together `BEYOND_CACHE` times the caches, within `MOST_ARRAY_BYTES` and a
    part of the free memory (None when unknown); a multiple of pages of all streams.
    """
    most = min(MOST_ARRAY_BYTES, MOST_ARRAY_BYTES if free is None else free // MEMORY_FRACTION)
    wanted = min(BEYOND_CACHE * (cache or ASSUMED_CACHE_BYTES), most)
    return max(1, wanted // cpus // (2 * PAGE)) * 2 * PAGE


def physical_cores(topology: Topology, cpus: Sequence[int]) -> int:
    """Return how many cores these CPUs are on."""
    return sum(not set(cpus).isdisjoint(core) for node in topology.nodes for core in node.cores)


def timetable(chosen: Sequence[Kernel]) -> tuple[Turn, ...]:
    """Return when each kernel runs: all of them one after the other, `REPEATS` times."""
    turns, start_s = [], 0.0
    for kernel in [*chosen] * REPEATS:
        turns.append(Turn(kernel.name, round(start_s, 3), DURATION_S[kernel.kind]))
        start_s += DURATION_S[kernel.kind] + PAUSE_S
    return tuple(turns)


def limit_of(
    kernel: Kernel, replies: Sequence[Sequence[KernelReply]], cpu: Cpu, cores: int, cpus: int
) -> KernelLimit | None:
    """Return what a kernel reached on all `cpus` of all instances in its best turn; None if they never worked at the
    same time.
    """
    turns = [
        chunks
        for of_turn in zip_longest(*replies)
        if len(chunks := [Chunks(*msgspec.structs.astuple(thread)) for thread in _threads(of_turn, kernel)]) == cpus
    ]
    chunks = max(turns, key=best_rate, default=[])
    rate = best_rate(chunks)
    if not rate:
        return None
    clock = clock_ghz(chunks)
    in_a_cycle = cpu.core.operations.get(kernel.name) if cpu.core else None
    theoretical = in_a_cycle * cores * clock if in_a_cycle and clock else None
    return KernelLimit(kernel.name, kernel.kind, rate, clock, theoretical, not kernel.unused_by_mxnet_150)


def _threads(of_turn: Sequence[KernelReply | None], kernel: Kernel) -> list[ThreadReply]:
    """Return the threads of all instances in a turn of this kernel; an instance that ended early has no reply."""
    return [thread for reply in of_turn if reply and reply.kernel == kernel.name for thread in reply.threads]


def doubts(limits: Sequence[KernelLimit], cpu: Cpu, cache: int | None, arrays: int) -> list[str]:
    """Return what speaks against the limits: far from the theoretical peak, or arrays that fit into the caches."""
    problems = []
    for limit in limits:
        if limit.fraction is not None and not EXPECTED_FRACTION <= limit.fraction <= 2 - EXPECTED_FRACTION:
            caution = f"; {cpu.core.caution}" if cpu.core and cpu.core.caution else ""
            problems.append(
                f"{limit.kernel} reached {limit.fraction:.0%} of the theoretical peak: other programs ran, or "
                f"perf/limits/units.toml does not fit this CPU{caution}"
            )
    if cache is not None and arrays < 2 * cache and any(limit.kind in MEMORY for limit in limits):
        problems.append(
            f"memory bandwidth may be too high: its arrays of {arrays / 1e6:.0f} MB are not twice as large as the "
            f"caches, {cache / 1e6:.0f} MB"
        )
    return problems


def replies_in(output: str) -> list[KernelReply]:
    """Return the replies in the output of an instance's process, up to the first line that is none, such as the partial
    one of a process that was ended.
    """
    replies: list[KernelReply] = []
    with suppress(*UNREADABLE):
        for line in output.splitlines():
            replies.append(msgspec.json.decode(line, type=KernelReply))  # noqa: PERF401 - those before an error count
    return replies


def _run(
    placements: Sequence[Placement], turns: tuple[Turn, ...], array: int
) -> tuple[list[list[KernelReply]], list[str]]:
    """Run the kernels in one process for each instance. Return their replies by instance, and what went wrong."""
    with ExitStack() as stack:
        processes = [stack.enter_context(_process(placement, turns, array)) for placement in placements]
        watchdog = threading.Timer(DEADLINE_S, _end, [processes])
        watchdog.daemon = True
        watchdog.start()
        stack.callback(watchdog.cancel)
        if all(process.stdout and process.stdout.readline().strip() == READY for process in processes):
            start_ns = time.monotonic_ns() + int(PAUSE_S * 1e9)
            for process in processes:
                _let_start(process, start_ns)
        else:
            _end(processes)
        with ThreadPoolExecutor(len(processes)) as pool:  # a process whose pipe is full misses its next turn
            outputs = list(pool.map(_communicated, processes))
    replies = [replies_in(output) for output, _ in outputs]
    refused = {reply.kernel: reply.problem for of_one in replies for reply in of_one if reply.problem}
    problems = [f"{kernel} was not measured: {problem}" for kernel, problem in refused.items()]
    problems += [
        f"the probe of instance {placement.instance} wrote a line that is not a reply; what follows it does not count"
        for placement, (output, _), of_one in zip(placements, outputs, replies, strict=True)
        if len(of_one) < len(output.splitlines())
    ]
    for placement, process, (_, errors) in zip(placements, processes, outputs, strict=True):
        if process.returncode:
            lines = errors.strip().splitlines() or ["no error message"]
            how = f"signal {-process.returncode}" if process.returncode < 0 else f"exit code {process.returncode}"
            problems.append(f"the probe of instance {placement.instance} ended with {how}: {lines[-1]}")
    return replies, problems


@contextmanager
def _process(placement: Placement, turns: tuple[Turn, ...], array: int) -> Iterator[subprocess.Popen[str]]:
    """Start the process of one instance, and end it with the block."""
    request = msgspec.json.encode(ProbeRequest(placement.cpus, array, turns)).decode()
    command = [*placement.prefix, sys.executable, "-m", "perf.limits.program", request]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, errors="replace", cwd=ROOT)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _let_start(process: subprocess.Popen[str], start_ns: int) -> None:
    with suppress(BrokenPipeError):  # it has ended, which its exit code says
        assert process.stdin is not None
        process.stdin.write(f"{start_ns}\n")
        process.stdin.flush()


def _communicated(process: subprocess.Popen[str]) -> tuple[str, str]:
    return process.communicate()


def _end(processes: Sequence[subprocess.Popen[str]]) -> None:
    for process in processes:
        process.kill()
