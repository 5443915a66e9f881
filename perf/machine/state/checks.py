"""All checks, in the order in which they are shown: outside load first, then clocks, memory and versions."""

import os
import time
from collections.abc import Collection
from pathlib import Path

from perf.machine.identity import PROC_ROOT
from perf.machine.state.cgroups import CPU_QUOTA, THROTTLING
from perf.machine.state.clock import FREQUENCY, FREQUENCY_LIMIT, GOVERNOR, THERMAL_THROTTLING, TURBO
from perf.machine.state.load import CPU_PRESSURE, LOAD_AVERAGE, STEAL
from perf.machine.state.memory import HUGE_PAGES, NUMA_BALANCING, SWAP, SWAPPING
from perf.machine.state.model import State
from perf.machine.state.processor import KERNEL, MICROCODE, SMT
from perf.machine.state.source import Source
from perf.machine.topology import SYS_ROOT

CHECKS = (
    CPU_PRESSURE,
    LOAD_AVERAGE,
    STEAL,
    CPU_QUOTA,
    THROTTLING,
    THERMAL_THROTTLING,
    GOVERNOR,
    TURBO,
    FREQUENCY,
    FREQUENCY_LIMIT,
    NUMA_BALANCING,
    SWAP,
    SWAPPING,
    HUGE_PAGES,
    MICROCODE,
    SMT,
    KERNEL,
)


def read_state(sys_root: Path = SYS_ROOT, proc_root: Path = PROC_ROOT, allowed: Collection[int] | None = None) -> State:
    """Read every check's raw value; `allowed` are the CPUs to use (default: this process's affinity mask).

    Never raises for a value that is absent or malformed: it is None.
    """
    usable = frozenset(os.sched_getaffinity(0) if allowed is None else allowed)
    source = Source(sys_root, proc_root, usable)
    now = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    return State({check.name: check.read(source) for check in CHECKS}, now)
