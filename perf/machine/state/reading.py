"""Reading the machine's state at one moment."""

import os
import time
from collections.abc import Collection
from pathlib import Path

from perf.machine.identity import PROC_ROOT
from perf.machine.state.checks import CHECKS
from perf.machine.state.model import State
from perf.machine.state.source import Source
from perf.machine.topology import SYS_ROOT


def read_state(sys_root: Path = SYS_ROOT, proc_root: Path = PROC_ROOT, allowed: Collection[int] | None = None) -> State:
    """Read every check's raw value; `allowed` are the CPUs to use (default: this process's affinity mask).

    Never raises for what the machine does not tell or tells in another form: such values are None.
    """
    usable = frozenset(os.sched_getaffinity(0) if allowed is None else allowed)
    source = Source(sys_root, proc_root, usable)
    now = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    return State({check.name: check.read(source) for check in CHECKS}, now)
