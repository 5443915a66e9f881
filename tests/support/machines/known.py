"""Machines that we do not have: their trees, and how the suite would use them.

`python -m tests.support.machines.known` prints the section of docs/explanation/machines.md.
"""

import shlex
import tempfile
from pathlib import Path

import msgspec

from perf.files import read_toml
from perf.machine.numactl import Numactl
from perf.machine.placement import place_instances
from perf.machine.topology import Topology, format_cpulist, parse_cpulist, read_topology
from perf.wording import counted
from tests.support.fake_sysfs import write_sysfs

DATA = Path(__file__).with_name("machines.toml")
NUMACTL = Numactl("numactl")


class KnownMachine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A machine as `machines.toml` describes it, which documents the fields."""

    nodes: dict[str, str]
    cores: str
    second_thread: int | None = None
    offline: str = ""
    core_ids: list[int] = []

    def siblings(self) -> list[tuple[int, ...]]:
        """The online CPUs of each core."""
        offline = set(parse_cpulist(self.offline))
        threads = [
            (cpu,) + ((cpu + self.second_thread,) if self.second_thread else ()) for cpu in parse_cpulist(self.cores)
        ]
        online = [tuple(cpu for cpu in core if cpu not in offline) for core in threads]
        return [core for core in online if core]


def machines() -> dict[str, KnownMachine]:
    return read_toml(DATA, dict[str, KnownMachine])


def write_tree(folder: Path, machine: KnownMachine) -> Path:
    """Write the machine below `folder`, as far as the suite and `lscpu -s FOLDER` read it; return its /sys."""
    nodes = {int(node): cpus for node, cpus in machine.nodes.items()}
    cores = machine.siblings()
    root = write_sysfs(folder, nodes, [format_cpulist(core) for core in cores])
    system = root / "devices/system"
    online = {cpu for core in cores for cpu in core}
    for name in ("possible", "present"):
        (system / "cpu" / name).write_text(format_cpulist(online | set(parse_cpulist(machine.offline))) + "\n")
    for node, cpus in nodes.items():
        members = parse_cpulist(cpus)
        folder_of_node = system / f"node/node{node}"
        (folder_of_node / "cpumap").write_text(mask(members))
        firsts = [core for core in cores if core[0] in members]
        ids = machine.core_ids or range(len(firsts))
        for core_id, core in zip(ids, firsts, strict=True):
            for cpu in core:
                topology = system / f"cpu/cpu{cpu}/topology"
                (topology / "core_id").write_text(f"{core_id}\n")
                (topology / "physical_package_id").write_text(f"{node}\n")
                (topology / "thread_siblings").write_text(mask(core))
                (topology / "core_siblings").write_text(mask(members))
    (folder / "proc").mkdir()
    entries = [f"processor\t: {cpu}\nvendor_id\t: GenuineIntel\nmodel name\t: made\n" for cpu in sorted(online)]
    (folder / "proc/cpuinfo").write_text("\n".join(entries))
    return root


def mask(cpus: tuple[int, ...]) -> str:
    """CPUs as the kernel's hexadecimal mask, in groups of 32 bits."""
    bits = sum(1 << cpu for cpu in cpus)
    groups = [f"{bits >> shift & 0xFFFFFFFF:08x}" for shift in range(96, -1, -32)]
    return ",".join(groups) + "\n"


def launch_lines(topology: Topology) -> list[str]:
    """How the suite would start an instance on each node, without the worker's own command."""
    placements = place_instances(topology, numactl=NUMACTL)
    return [f"OMP_NUM_THREADS={one.threads} {shlex.join(one.prefix)}" for one in placements]


def section() -> str:
    """The machines with their launch lines, as the documentation shows them."""
    parts = []
    for name, machine in machines().items():
        with tempfile.TemporaryDirectory() as folder:
            topology = read_topology(write_tree(Path(folder), machine), range(128))
        size = f"{counted(len(topology.nodes), 'node')} with CPUs, {counted(topology.physical_cores, 'core')}"
        parts.append(f"### {name}\n\n{size}:\n\n```sh\n" + "\n".join(launch_lines(topology)) + "\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    print(section(), end="")
