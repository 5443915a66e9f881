"""Launch prefixes that lie, a PATH without numactl, and control groups that take CPUs or memory away."""

import os
from pathlib import Path

from perf.files import ROOT
from perf.machine import Numactl

LYING = ROOT / "tests/numa/lying_numactl.sh"
SPOILED = ROOT / "tests/numa/spoiled"
GROUPS = Path("/sys/fs/cgroup")
HONEST = "honest"


def numactl(kind: str) -> Numactl:
    """Return a numactl that lies in this way (lying_numactl.sh), or the honest one."""
    return Numactl("/usr/bin/numactl" if kind == HONEST else str(folder_of(kind) / "numactl"))


def folder_of(kind: str) -> Path:
    """Return the folder of a numactl that lies, to stand first on PATH."""
    folder = Path("/run/lying", kind)
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "numactl"
    if not program.exists():
        program.write_bytes(LYING.read_bytes())
        program.chmod(0o755)
    return folder


def path_without_numactl() -> str:
    """Return a PATH with every program of /usr/bin and /usr/sbin but numactl."""
    folder = Path("/run/without")
    if not folder.exists():
        folder.mkdir()
        for program in (*Path("/usr/sbin").iterdir(), *Path("/usr/bin").iterdir()):
            if program.name != "numactl" and not (folder / program.name).exists():
                (folder / program.name).symlink_to(program)
    return str(folder)


def spoiling(what: str, node: int) -> tuple[str, ...]:
    """Return what stands between a launch prefix and a worker's Python to spoil it as it starts (sitecustomize.py)."""
    return ("env", f"SPOIL={what}", f"SPOIL_NODE={node}", f"PYTHONPATH={SPOILED}:{ROOT}")


def enter_cpuset(name: str, cpus: str, memory: str) -> None:
    """Move this process into a control group with these CPUs and memory nodes, as a container's runtime does."""
    (GROUPS / "cgroup.subtree_control").write_text("+cpuset")
    group = GROUPS / name
    group.mkdir(exist_ok=True)
    (group / "cpuset.cpus").write_text(cpus)
    (group / "cpuset.mems").write_text(memory)
    (group / "cgroup.procs").write_text(str(os.getpid()))
