"""Who else wants the CPUs: other programs, and other guests of the hypervisor."""

import os
import re

from perf.machine.state.model import Check, Judged, StateChange, state_limits
from perf.machine.state.source import NUMBER, Source

_STOP_OTHERS = "stop other programs: `ps -eo pid,psr,pcpu,comm --sort=-pcpu | head`"
_NS_PER_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_STEAL_COLUMN = 8  # of /proc/stat's lines, proc(5)


def _read_pressure(source: Source) -> int | None:
    match = re.search(rf"^some .*total=({NUMBER})$", source.proc("pressure/cpu") or "", re.MULTILINE)
    return int(match[1]) if match else None


def _judge_pressure(change: StateChange) -> Judged:
    share = change.amount * 1000 / change.window_ns
    return Judged(
        f"{100 * share:.2f} % of {change.window_ns / 1e9:.1f} s",
        _STOP_OTHERS if share > state_limits().cpu_pressure else None,
    )


def _read_load(source: Source) -> float | None:
    match = re.match(r"([0-9]{1,9}\.[0-9]{1,9}) ", source.proc("loadavg") or "")
    usable = source.allowed.intersection(source.online())
    return float(match[1]) / len(usable) if match and usable else None


def _judge_load(per_cpu: float) -> Judged:
    return Judged(f"{per_cpu:.2f} per CPU", _STOP_OTHERS if per_cpu > state_limits().load_per_cpu else None)


def _read_steal(source: Source) -> float | None:
    """Stolen ns per CPU: the mean over the CPUs that are online."""
    lines = [line.split() for line in (source.proc("stat") or "").splitlines()]
    cpus = [line for line in lines if line and re.fullmatch("cpu[0-9]+", line[0])]
    if not cpus or not all(len(line) > _STEAL_COLUMN and re.fullmatch(NUMBER, line[_STEAL_COLUMN]) for line in cpus):
        return None
    return sum(int(line[_STEAL_COLUMN]) for line in cpus) * _NS_PER_TICK / len(cpus)


def _judge_steal(change: StateChange) -> Judged:
    share = change.amount / change.window_ns
    return Judged(
        f"{100 * share:.2f} % of CPU time",
        "use a dedicated host or bare metal" if share > state_limits().steal else None,
    )


CPU_PRESSURE = Check(
    name="cpu_pressure",
    kind="counter",
    explanation="Time in which some thread was ready to run and had no CPU. While measuring, the instances' own "
    "threads that wait for each other's CPUs count too.",
    absent="the kernel is older than 4.20, or its pressure counters are off (boot with psi=1)",
    read=_read_pressure,
    judge=_judge_pressure,
)
LOAD_AVERAGE = Check(
    name="load_average",
    kind="moment",
    explanation="Threads that ran or waited in the last minute, per usable CPU: what runs beside a measurement takes "
    "its CPUs, caches and memory bandwidth.",
    absent="/proc/loadavg or the list of online CPUs cannot be read",
    read=_read_load,
    judge=_judge_load,
)
STEAL = Check(
    name="steal",
    kind="counter",
    explanation="CPU time that the hypervisor gave to other guests. Not every hypervisor tells its guests.",
    absent="/proc/stat cannot be read",
    read=_read_steal,
    judge=_judge_steal,
)
