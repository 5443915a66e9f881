"""All checks, in the order in which they are shown: what disturbs from outside, then clocks, memory and versions."""

from perf.machine.state.cgroups import CPU_QUOTA, THROTTLING
from perf.machine.state.clock import FREQUENCY, GOVERNOR, THERMAL_THROTTLING, TURBO
from perf.machine.state.load import CPU_PRESSURE, LOAD_AVERAGE, STEAL
from perf.machine.state.memory import HUGE_PAGES, NUMA_BALANCING, SWAP, SWAPPING
from perf.machine.state.processor import KERNEL, MICROCODE, SMT

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
    NUMA_BALANCING,
    SWAP,
    SWAPPING,
    HUGE_PAGES,
    MICROCODE,
    SMT,
    KERNEL,
)
