"""What machine this is, and its class: the name under which runs are comparable."""

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec

from perf.errors import PerfError
from perf.files import read_toml
from perf.machine.topology import SYS_ROOT, Topology, read_online, read_topology

DATA = Path(__file__).with_name("isa.toml")
PROC_ROOT = Path("/proc")
MACHINE_ID = Path("/etc/machine-id")
# Parts of a model name without information, or that the class states elsewhere (the core count).
_NOISE = re.compile(
    r"\((?:R|TM)\)|@.*|\bwith radeon.*|\b(?:\d+|dual|quad|six|eight|twelve|sixteen)-core\b|\b(?:CPU|processor)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Machine:
    """The machine as far as this process may use it: cores, threads and nodes are counted within its CPU mask.

    cpu_model: the model name in /proc/cpuinfo.
    physical_cores: cores with at least one usable hardware thread.
    hardware_threads: usable CPUs.
    nodes: NUMA nodes with at least one usable CPU.
    isa: the best instruction set, a name from isa.toml.
    memory_bytes: the memory of the whole machine.
    kernel: the kernel's release.
    cpu_version: "family.model.stepping", which distinguishes CPUs whose model name a hypervisor hides.
    instance_type: EC2's name of the instance type; None elsewhere.
    masked: whether the CPU mask excludes part of the machine.
    """

    cpu_model: str
    physical_cores: int
    hardware_threads: int
    nodes: int
    isa: str
    memory_bytes: int
    kernel: str
    cpu_version: str = "unknown"
    instance_type: str | None = None
    masked: bool = False

    @property
    def machine_class(self) -> str:
        """Return the class, of [a-z0-9.-] and safe as a folder name: "c5.metal" or "intel-xeon-2c-1n-avx2"."""
        size = f"{self.physical_cores}c-{self.nodes}n"
        if self.instance_type and (instance := _slug(self.instance_type)):
            # Half of a c5.metal must not be compared with the baseline of a whole one.
            return f"{instance}-{size}" if self.masked else instance
        model = _slug(_NOISE.sub(" ", self.cpu_model)) or "unknown"
        if not re.search(r"\d", model) and re.search(r"\d", self.cpu_version):
            # "Intel Xeon Processor": two of them may differ by two generations.
            model = f"{model}-{'.'.join(self.cpu_version.split('.')[:2])}"
        return f"{model}-{size}-{_slug(self.isa)}"

    def has_isa(self, name: str) -> bool:
        """Return whether its instruction set is the named one of isa.toml or better. Raises ValueError for an unknown
        name.
        """
        names = [isa for isa, _ in _isa_table()]
        return names.index(self.isa) <= names.index(name)


def read_machine(sys_root: Path = SYS_ROOT, proc_root: Path = PROC_ROOT, topology: Topology | None = None) -> Machine:
    """Read what machine this is; `topology` defaults to `read_topology(sys_root)`.

    Raises PerfError when /proc/cpuinfo, /proc/meminfo or the CPU topology cannot be read or parsed. Without DMI only
    the instance type stays unknown.
    """
    usable = read_topology(sys_root) if topology is None else topology
    model, version, flags = parse_cpuinfo(_read(proc_root / "cpuinfo"))
    return Machine(
        cpu_model=model,
        cpu_version=version,
        physical_cores=usable.physical_cores,
        hardware_threads=usable.hardware_threads,
        nodes=len(usable.nodes),
        isa=highest_isa(flags),
        memory_bytes=_read_memory(proc_root / "meminfo"),
        kernel=_read(proc_root / "sys/kernel/osrelease").strip(),
        instance_type=_read_instance_type(sys_root / "class/dmi/id"),
        masked=usable.hardware_threads < len(read_online(sys_root)),
    )


@cache
def this_cpu_has(isa: str) -> bool:
    """Return whether this machine's CPU has an instruction set of isa.toml, or a better one. Raises PerfError as
    `read_machine`, and ValueError for an unknown name.
    """
    return read_machine().has_isa(isa)


def read_host_id(path: Path = MACHINE_ID) -> str | None:
    """Return an identifier of this machine, 16 hex digits; None when it has no machine ID.

    It is a salted hash, since the machine ID itself must not be exposed (machine-id(5)).
    """
    try:
        machine_id = path.read_bytes().strip()
    except OSError:
        return None
    if machine_id in {b"", b"uninitialized"}:  # the latter during a machine's first boot
        return None
    return hashlib.sha256(b"mxnet-perf host\0" + machine_id).hexdigest()[:16]


def parse_cpuinfo(text: str) -> tuple[str, str, frozenset[str]]:
    """Return model name, "family.model.stepping" and flags of the first CPU in the text of /proc/cpuinfo; "unknown" for
    a name or a version that is missing.
    """
    first_cpu = text.strip().partition("\n\n")[0]
    lines = (line.partition(":") for line in first_cpu.splitlines())
    fields = {name.strip(): value.strip() for name, _, value in lines}
    version = [fields.get(name, "") for name in ("cpu family", "model", "stepping")]
    flags = frozenset(fields.get("flags", "").split())
    return fields.get("model name") or "unknown", ".".join(version) if all(version) else "unknown", flags


def highest_isa(flags: frozenset[str]) -> str:
    """Return the best instruction set of isa.toml whose flags are all in `flags`; "generic" if there is none."""
    return next(name for name, needed in _isa_table() if needed <= flags)


class _Isa(msgspec.Struct, frozen=True):
    """An instruction set and the flags that it needs."""

    name: str
    flags: frozenset[str]


class _IsaFile(msgspec.Struct, frozen=True):
    """All of `isa.toml`."""

    isa: tuple[_Isa, ...]


@cache
def _isa_table() -> tuple[tuple[str, frozenset[str]], ...]:
    return tuple((isa.name, isa.flags) for isa in read_toml(DATA, _IsaFile).isa)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise PerfError(
            f"cannot be read: {error.strerror}", subject=str(path), next_step="run on Linux with /proc mounted"
        ) from error


def _read_memory(path: Path) -> int:
    match = re.search(r"^MemTotal:\s+([0-9]{1,20}) kB$", _read(path), re.MULTILINE)
    if match is None:
        raise PerfError("has no MemTotal line", subject=str(path), next_step="run on Linux with /proc mounted")
    return int(match[1]) * 1024


def _read_instance_type(dmi: Path) -> str | None:
    try:
        vendor, product = ((dmi / name).read_text(encoding="utf-8").strip() for name in ("sys_vendor", "product_name"))
    except (OSError, UnicodeDecodeError):  # virtual machines and containers often have no DMI
        return None
    return product or None if vendor == "Amazon EC2" else None
