"""The machine: its topology, where instances are placed and whether they stay there, its class and its state."""

from perf.machine.exclusive import TURN_S, alone_on_machine
from perf.machine.identity import Machine, read_host_id, read_machine, this_cpu_has
from perf.machine.memory import free_bytes, oom_kills, shortage
from perf.machine.numactl import Numactl, find_numactl, numactl_finding
from perf.machine.pace import pace_finding, watch_pace
from perf.machine.placement import Placement, place_instances, ranks_per_host
from perf.machine.proof import check_pinning
from perf.machine.state import CHECKS, Finding, State, findings, read_state, reasons_not_to_measure, settings
from perf.machine.topology import Node, Topology, format_cpulist, parse_cpulist, read_topology

__all__ = [
    "CHECKS",
    "TURN_S",
    "Finding",
    "Machine",
    "Node",
    "Numactl",
    "Placement",
    "State",
    "Topology",
    "alone_on_machine",
    "check_pinning",
    "find_numactl",
    "findings",
    "format_cpulist",
    "free_bytes",
    "numactl_finding",
    "oom_kills",
    "pace_finding",
    "parse_cpulist",
    "place_instances",
    "ranks_per_host",
    "read_host_id",
    "read_machine",
    "read_state",
    "read_topology",
    "reasons_not_to_measure",
    "settings",
    "shortage",
    "this_cpu_has",
    "watch_pace",
]
