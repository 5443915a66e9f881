"""Who else uses the CPUs: other programs, and other guests of the hypervisor."""

import os
import re

from perf.machine.state.model import Assessment, Check, StateChange, exceeds
from perf.machine.state.source import NUMBER, Source

_STOP_PROGRAMS = "stop other programs: `ps -eo pid,psr,pcpu,comm --sort=-pcpu | head`"
_NS_PER_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
# In the lines of /proc/stat (proc(5)).
_STEAL_COLUMN = 8


def _read_pressure(source: Source) -> int | None:
    match = re.search(rf"^some .*total=({NUMBER})$", source.proc("pressure/cpu") or "", re.MULTILINE)
    return int(match[1]) if match else None


def _assess_pressure(change: StateChange) -> Assessment:
    fraction = change.amount * 1000 / change.window_ns
    return Assessment(
        f"{100 * fraction:.2f} % of {change.window_ns / 1e9:.1f} s",
        _STOP_PROGRAMS if exceeds("cpu_pressure", fraction) else None,
    )


def _read_load(source: Source) -> float | None:
    match = re.match(r"([0-9]{1,9}\.[0-9]{1,9}) ", source.proc("loadavg") or "")
    usable = source.allowed.intersection(source.online())
    return float(match[1]) / len(usable) if match and usable else None


def _assess_load(per_cpu: float) -> Assessment:
    return Assessment(f"{per_cpu:.2f} per CPU", _STOP_PROGRAMS if exceeds("load_average", per_cpu) else None)


def _read_steal(source: Source) -> float | None:
    """Return the stolen time in ns: the mean over the online CPUs."""
    lines = [line.split() for line in (source.proc("stat") or "").splitlines()]
    cpus = [line for line in lines if line and re.fullmatch("cpu[0-9]+", line[0])]
    if not cpus or not all(len(line) > _STEAL_COLUMN and re.fullmatch(NUMBER, line[_STEAL_COLUMN]) for line in cpus):
        return None
    return sum(int(line[_STEAL_COLUMN]) for line in cpus) * _NS_PER_TICK / len(cpus)


def _assess_steal(change: StateChange) -> Assessment:
    fraction = change.amount / change.window_ns
    return Assessment(
        f"{100 * fraction:.2f} % of CPU time",
        "use a dedicated host or bare metal" if exceeds("steal", fraction) else None,
    )


CPU_PRESSURE = Check("cpu_pressure", _read_pressure, _assess_pressure)
LOAD_AVERAGE = Check("load_average", _read_load, _assess_load)
STEAL = Check("steal", _read_steal, _assess_steal)
