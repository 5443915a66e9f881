"""The kernel's files as texts and numbers: None for what is absent or garbled, never an exception."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from perf.errors import PerfError
from perf.machine.topology import read_online

# Longer runs of digits are no kernel's counter, and Python refuses to convert the longest.
NUMBER = "[0-9]{1,20}"


@dataclass(frozen=True)
class Source:
    """Where the kernel's files are, and the CPUs that this process may use."""

    sys_root: Path
    proc_root: Path
    allowed: frozenset[int]

    def sys(self, name: str) -> str | None:
        """Text of a file below /sys."""
        return read_text(self.sys_root / name)

    def proc(self, name: str) -> str | None:
        """Text of a file below /proc."""
        return read_text(self.proc_root / name)

    def online(self) -> tuple[int, ...]:
        """The online CPUs; () when they are not told."""
        try:
            return read_online(self.sys_root)
        except PerfError:
            return ()

    def per_cpu(self, name: str, pattern: str) -> list[str] | None:
        """A file's text for each online CPU; None when one of them has none or another than `pattern` says."""
        texts = [self.sys(f"devices/system/cpu/cpu{cpu}/{name}") for cpu in self.online()]
        matched = [text for text in texts if text is not None and re.fullmatch(pattern, text)]
        return matched if matched and len(matched) == len(texts) else None

    def cpuinfo(self, field: str, pattern: str) -> list[str] | None:
        """A field of /proc/cpuinfo for each CPU; None when there is none, or another than `pattern` says."""
        values = re.findall(rf"^{field}\s*: *(.*)$", self.proc("cpuinfo") or "", re.MULTILINE)
        return values if values and all(re.fullmatch(pattern, value) for value in values) else None


def read_text(path: Path) -> str | None:
    """The file's text without white space around it; None when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except (OSError, ValueError):  # ValueError: a path, told by a file, with a null character
        return None


def number(text: str | None) -> int | None:
    """The text as a number without a sign; None for anything else."""
    return int(text) if text is not None and re.fullmatch(NUMBER, text) else None


def mixture(values: Sequence[str]) -> str:
    """The CPUs' common value, or how many CPUs have each: "performance on 94 of 96 CPUs, powersave on 2 of 96 CPUs"."""
    counts = Counter(values).most_common()
    if len(counts) == 1:
        return values[0]
    return ", ".join(f"{value} on {count} of {len(values)} CPUs" for value, count in counts)
