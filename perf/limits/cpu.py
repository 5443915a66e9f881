"""What is known about the CPU before anything runs: its flags, its units and its caches."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import msgspec

from perf.errors import PerfError
from perf.files import read_toml
from perf.machine.identity import PROC_ROOT, parse_cpuinfo
from perf.machine.state.source import read_text
from perf.machine.topology import SYS_ROOT

DATA = Path(__file__).with_name("units.toml")
# The kernel's suffixes of cache sizes.
SUFFIXES = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


class Core(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A microarchitecture, from `units.toml`.

    name: its name.
    vendor: its vendor, as /proc/cpuinfo names it.
    family: its family.
    models: ranges of its models, first and last.
    operations: operations in a cycle on one core, by kernel.
    source: where these come from.
    caution: which models differ; "" if none does.
    """

    name: str
    vendor: str
    family: int
    models: list[tuple[int, int]]
    operations: dict[str, float]
    source: str
    caution: str = ""


class _CoreFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of `units.toml`."""

    core: list[Core]


@dataclass(frozen=True)
class Cpu:
    """A CPU.

    vendor: its vendor, as /proc/cpuinfo names it; "" if it does not.
    flags: its flags in /proc/cpuinfo.
    core: its microarchitecture; None if `units.toml` does not hold it.
    """

    vendor: str
    flags: frozenset[str]
    core: Core | None


def read_cpu(proc_root: Path = PROC_ROOT) -> Cpu:
    """Read this machine's CPU. Raises PerfError when /proc/cpuinfo cannot be read."""
    text = read_text(proc_root / "cpuinfo")
    if text is None:
        step = "run on Linux with /proc mounted"
        raise PerfError("cannot be read", subject=str(proc_root / "cpuinfo"), next_step=step)
    _, version, flags = parse_cpuinfo(text)
    match = re.search(r"^vendor_id\s*: (\w+)$", text, re.MULTILINE)
    vendor = match[1] if match else ""
    return Cpu(vendor, flags, core_of(vendor, version))


def core_of(vendor: str, version: str) -> Core | None:
    """Return the microarchitecture of a vendor's "family.model.stepping"; None if `units.toml` does not hold it."""
    numbers = re.fullmatch(r"([0-9]{1,9})\.([0-9]{1,9})\.[0-9]+", version)
    if numbers is None:
        return None
    family, model = int(numbers[1]), int(numbers[2])
    cores = [core for core in read_toml(DATA, _CoreFile).core if (core.vendor, core.family) == (vendor, family)]
    return next((core for core in cores if any(first <= model <= last for first, last in core.models)), None)


def cache_bytes(cpus: Collection[int], sys_root: Path = SYS_ROOT) -> int | None:
    """Return what the caches that these CPUs use can hold of data, summed over all levels, in bytes; None where sysfs
    has none.

    A level often holds only what the one above has evicted (AMD since Zen, Intel since Skylake-SP): 24 cores of a C5
    keep 24 MB in their second level besides the 36 MB of their third.
    """
    sizes: dict[tuple[str, str], int] = {}
    for cpu in cpus:
        for folder in (sys_root / f"devices/system/cpu/cpu{cpu}/cache").glob("index[0-9]*"):
            size = re.fullmatch(r"([0-9]{1,9})([KMG])", _text(folder, "size"))
            if size and _text(folder, "type") != "Instruction":
                level = _text(folder, "level"), _text(folder, "shared_cpu_list")
                sizes[level] = int(size[1]) * SUFFIXES[size[2]]
    return sum(sizes.values()) or None


def _text(folder: Path, name: str) -> str:
    return (read_text(folder / name) or "").strip()
