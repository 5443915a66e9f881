"""Writes the sysfs of machines we do not have. A module, not a conftest: mypy wants one conftest per checkout."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from perf.machine.topology import format_cpulist, parse_cpulist


def write_sysfs(
    folder: Path, nodes: Mapping[int, str], cores: Sequence[str], siblings_file: str = "thread_siblings_list"
) -> Path:
    """Make a /sys below `folder`: `nodes` are CPU lists by node id (none: no NUMA), `cores` are sibling lists."""
    root = folder / "sys"
    texts = {f"node/node{node}/cpulist": cpulist for node, cpulist in nodes.items()}
    for core in cores:
        texts |= {f"cpu/cpu{cpu}/topology/{siblings_file}": core for cpu in parse_cpulist(core)}
    texts["cpu/online"] = format_cpulist(cpu for core in cores for cpu in parse_cpulist(core))
    for name, text in texts.items():
        path = root / "devices/system" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


def write_c5_metal(folder: Path) -> Path:
    """C5.24xlarge and C5.metal: two nodes of 24 cores, siblings N and N+48."""
    return write_sysfs(folder, {0: "0-23,48-71", 1: "24-47,72-95"}, [f"{cpu},{cpu + 48}" for cpu in range(48)])
