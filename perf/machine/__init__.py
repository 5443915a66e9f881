"""The machine: its topology, where instances are put on it and whether they stayed, and the class it belongs to."""

from perf.machine.identity import Machine, read_machine
from perf.machine.numactl import Numactl, find_numactl
from perf.machine.placement import Placement, place_instances
from perf.machine.proof import check_pinning
from perf.machine.topology import Node, Topology, format_cpulist, parse_cpulist, read_topology

__all__ = [
    "Machine",
    "Node",
    "Numactl",
    "Placement",
    "Topology",
    "check_pinning",
    "find_numactl",
    "format_cpulist",
    "parse_cpulist",
    "place_instances",
    "read_machine",
    "read_topology",
]
