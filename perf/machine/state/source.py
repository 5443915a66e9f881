"""The kernel's files as texts and numbers: None for what is absent or malformed, never an exception."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from perf.errors import PerfError
from perf.machine.topology import read_online

# No counter of the kernel has more digits, and Python refuses to convert very long numbers.
NUMBER = "[0-9]{1,20}"


@dataclass(frozen=True)
class Source:
    """Where the kernel's files are.

    sys_root: the folder of sysfs.
    proc_root: the folder of procfs.
    allowed: the CPUs that this process may use.
    """

    sys_root: Path
    proc_root: Path
    allowed: frozenset[int]

    def sys(self, name: str) -> str | None:
        """Return the text of a file below /sys."""
        return read_text(self.sys_root / name)

    def proc(self, name: str) -> str | None:
        """Return the text of a file below /proc."""
        return read_text(self.proc_root / name)

    def online(self) -> tuple[int, ...]:
        """Return the online CPUs; () when they cannot be read."""
        try:
            return read_online(self.sys_root)
        except PerfError:
            return ()

    def per_cpu(self, name: str, pattern: str) -> list[str] | None:
        """Return a file's text for each online CPU; None when it is missing for one of them or does not match
        `pattern`.
        """
        texts = [self.sys(f"devices/system/cpu/cpu{cpu}/{name}") for cpu in self.online()]
        matched = [text for text in texts if text is not None and re.fullmatch(pattern, text)]
        return matched if matched and len(matched) == len(texts) else None

    def cpuinfo(self, field: str, pattern: str) -> list[str] | None:
        """Return a field of /proc/cpuinfo for each CPU; None when it is missing or a value does not match `pattern`."""
        values = re.findall(rf"^{field}\s*: *(.*)$", self.proc("cpuinfo") or "", re.MULTILINE)
        return values if values and all(re.fullmatch(pattern, value) for value in values) else None


def read_text(path: Path) -> str | None:
    """Return a file's text, stripped; None when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except (OSError, ValueError):  # ValueError: the path comes from a file and has a null character
        return None


def number(text: str | None) -> int | None:
    """Return a text as an unsigned number; None for anything else."""
    return int(text) if text is not None and re.fullmatch(NUMBER, text) else None


def mixture(values: Sequence[str]) -> str:
    """Return the CPUs' common value, or how many CPUs have each: "performance on 3 of 4 CPUs, powersave on 1 of 4
    CPUs".
    """
    counts = Counter(values).most_common()
    if len(counts) == 1:
        return values[0]
    return ", ".join(f"{value} on {count} of {len(values)} CPUs" for value, count in counts)
