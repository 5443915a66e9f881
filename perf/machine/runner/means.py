"""How settings are read and changed: files of the kernel, swap areas, and packages.

Each of these has targets, such as a file, whose values are texts.
"""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from perf.errors import PerfError
from perf.machine.state.source import read_text

# Installing a package over a slow line, or writing swapped pages back to memory.
TIMEOUT_S = 600.0
OFF, ON = "off", "on"
INSTALLED, NOT_INSTALLED = "installed", "not installed"
# In the lines of /proc/swaps: name, type, size, used, priority.
_SWAPS_COLUMNS = 5


class Means(Protocol):
    """A way to read and to change a setting, on the machine whose files are below `root`."""

    def read(self, root: Path) -> dict[str, str] | None:
        """Return the value of each target; None when the machine does not have the setting."""

    def wanted(self, target: str) -> str:
        """Return the value that a target should have."""

    def value(self, root: Path, target: str) -> str | None:
        """Return a target's value; None when it does not exist."""

    def command(self, target: str, value: str) -> str:
        """Return the command line that gives a target a value."""

    def write(self, root: Path, target: str, value: str) -> None:
        """Give a target a value. Raises OSError or PerfError when it cannot be changed."""


@dataclass(frozen=True)
class Files:
    """Files of the kernel: the value of each by the `patterns` of their paths. Files with a `fixed` reading are left
    out.
    """

    patterns: Mapping[str, str]
    fixed: Sequence[str] = ()

    def read(self, root: Path) -> dict[str, str] | None:
        """Return the value of each file that can be changed, by its path."""
        paths = [path for pattern in self.patterns for path in _sorted(root.glob(pattern.lstrip("/")))]
        targets = [f"/{path.relative_to(root)}" for path in paths]
        values = {target: self.value(root, target) for target in targets}
        return {target: text for target, text in values.items() if text and text not in self.fixed} or None

    def wanted(self, target: str) -> str:
        """Return the value of the pattern that fits."""
        return next(value for pattern, value in self.patterns.items() if Path(target).match(pattern))

    def value(self, root: Path, target: str) -> str | None:
        """Return what a file holds, or which of its alternatives it marks: `always [madvise] never`."""
        text = read_text(root / target.lstrip("/"))
        marked = re.search(r"\[([^\]\s]+)\]", text or "")
        return marked[1] if marked else text

    def command(self, target: str, value: str) -> str:
        """Return what writes it in a shell."""
        return f"echo {shlex.quote(value)} > {shlex.quote(target)}"

    def write(self, root: Path, target: str, value: str) -> None:
        """Write the file, which is never created: the kernel's are there or not."""
        descriptor = os.open(root / target.lstrip("/"), os.O_WRONLY | os.O_TRUNC)
        with open(descriptor, "w") as stream:  # noqa: PTH123 - a descriptor has no path
            stream.write(value)


@dataclass(frozen=True)
class SwapAreas:
    """The swap areas: each is on with a priority, or off."""

    def read(self, root: Path) -> dict[str, str] | None:
        """Return the areas that are on, each with its priority unless the kernel chose it (a negative one)."""
        header, *lines = (read_text(root / "proc/swaps") or "").splitlines() or [""]
        if not header.startswith("Filename"):
            return None
        areas = [fields for line in lines if len(fields := line.split()) == _SWAPS_COLUMNS]
        return {_unescaped(name): ON if text.startswith("-") else f"{ON}, priority {text}" for name, *_, text in areas}

    def wanted(self, target: str) -> str:  # noqa: ARG002 - Means
        """Return that an area is off."""
        return OFF

    def value(self, root: Path, target: str) -> str | None:
        """Return whether an area is on."""
        areas = self.read(root)
        return None if areas is None else areas.get(target, OFF)

    def command(self, target: str, value: str) -> str:
        """Return the call of swapon or swapoff."""
        return shlex.join(_swap_command(target, value))

    def write(self, root: Path, target: str, value: str) -> None:  # noqa: ARG002 - Means
        """Switch an area on or off."""
        _run(_swap_command(target, value))


@dataclass(frozen=True)
class Package:
    """A package that provides a program of the same `name`."""

    name: str

    def read(self, root: Path) -> dict[str, str] | None:
        """Return whether the program is there; None when nothing could install it."""
        present = shutil.which(self.name) is not None
        return {self.name: self.value(root, self.name)} if present or _installer() else None

    def wanted(self, target: str) -> str:  # noqa: ARG002 - Means
        """Return that it is installed."""
        return INSTALLED

    def value(self, root: Path, target: str) -> str:  # noqa: ARG002 - Means
        """Return whether the program is there."""
        return INSTALLED if shutil.which(target) else NOT_INSTALLED

    def command(self, target: str, value: str) -> str:
        """Return the call of apt-get or dnf."""
        return shlex.join(self._command(target, value))

    def write(self, root: Path, target: str, value: str) -> None:  # noqa: ARG002 - Means
        """Install or remove it."""
        _run(self._command(target, value))

    def _command(self, target: str, value: str) -> list[str]:
        return [_installer() or "apt-get", "install" if value == INSTALLED else "remove", "-y", target]


def _installer() -> str | None:
    return next((name for name in ("apt-get", "dnf") if shutil.which(name)), None)


def _swap_command(target: str, value: str) -> list[str]:
    if value == OFF:
        return ["swapoff", target]
    _, _, priority = value.partition(", priority ")
    return ["swapon", *([f"--priority={priority}"] if priority else []), target]


def _run(command: Sequence[str]) -> None:
    """Run a command. Raises PerfError when it fails, with the last line that it wrote."""
    try:
        finished = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        )
    except subprocess.TimeoutExpired as error:
        raise PerfError(f"`{shlex.join(command)}` took longer than {TIMEOUT_S:.0f} s") from error
    if finished.returncode:
        *_, last = (finished.stderr or finished.stdout).strip().splitlines() or [f"exit code {finished.returncode}"]
        raise PerfError(f"`{shlex.join(command)}` failed: {last}")


def _sorted(paths: Iterable[Path]) -> list[Path]:
    """Return paths with their numbers in order: cpu9 before cpu10."""
    return sorted(paths, key=lambda path: (len(str(path)), path))


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-3][0-7]{2})", lambda match: chr(int(match[1], 8)), text)
