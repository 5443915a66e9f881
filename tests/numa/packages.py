"""QEMU, a kernel, busybox and numactl from Debian's packages, unpacked into the cache and never installed.

Installed, numactl would change what the suite does on this machine, and libibverbs (QEMU depends on it) what Intel MPI
does.
"""

import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from perf.cache import locked

# Everything of the first list comes with what it depends on and this machine lacks; the second stands alone.
PROGRAMS = ("qemu-system-x86", "busybox-static", "numactl", "libnuma1")
# Depends on the package with the kernel itself, whose own dependencies only matter on a machine that boots from it.
KERNEL = "linux-image-amd64"
# Downloading 100 MB from a slow mirror.
DOWNLOAD_TIMEOUT_S = 600.0


class NotFetchedError(Exception):
    """The packages cannot be fetched here; the text says why, as a clause."""


@dataclass(frozen=True)
class Unpacked:
    """The unpacked packages.

    root: the folder that holds their `usr` and `boot`.
    """

    root: Path

    @property
    def kernel(self) -> Path:
        """Return the kernel's image."""
        return next((self.root / "boot").glob("vmlinuz-*"))

    @property
    def modules(self) -> Path:
        """Return the folder of the kernel's modules."""
        return next(self.root.glob("lib/modules/*"))

    @property
    def busybox(self) -> Path:
        """Return busybox, a static program."""
        return self.root / "bin/busybox"

    @property
    def libraries(self) -> str:
        """Return the folders of shared libraries, as LD_LIBRARY_PATH wants them."""
        return ":".join(f"{self.root}/{folder}" for folder in ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"))


def fetch(cache: Path) -> Unpacked:
    """Return the packages, unpacked below `cache`; they are downloaded on first use.

    Raises NotFetchedError where they cannot be had.
    """
    missing = [name for name in ("apt-get", "apt-cache", "dpkg-deb") if shutil.which(name) is None]
    if missing or platform.machine() != "x86_64":
        raise NotFetchedError(f"there is no {missing[0]} here" if missing else "this machine is not an x86-64 one")
    shelf = cache / "numa"
    shelf.mkdir(exist_ok=True)
    root = shelf / "packages"
    with locked(shelf, "packages", lambda text: print(text, file=sys.stderr)):
        if not root.exists():
            with TemporaryDirectory(dir=shelf, prefix="unpacking-") as name:
                folder = Path(name)
                _download(folder)
                (folder / "root").mkdir()
                for package in folder.glob("*.deb"):
                    _run("dpkg-deb", "--extract", str(package), str(folder / "root"))
                # Whole or not at all, whenever this is killed.
                (folder / "root").rename(root)
    return Unpacked(root)


def _download(folder: Path) -> None:
    plan = _run("apt-get", "install", "--simulate", "--no-install-recommends", "--quiet=2", *PROGRAMS)
    lacking = re.findall(r"^Inst (\S+)", plan, re.MULTILINE)
    depends = _run("apt-cache", "depends", "--important", KERNEL)
    images = re.findall(r"Depends: (linux-image-\S+)", depends)
    if not images:
        raise NotFetchedError(f"this distribution has no package {KERNEL}")
    _run("apt-get", "download", "--quiet=2", *sorted({*PROGRAMS, *lacking, images[0]}), folder=folder)


def _run(*command: str, folder: Path | None = None) -> str:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=DOWNLOAD_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        raise NotFetchedError(f"{command[0]} {command[1]} took longer than {DOWNLOAD_TIMEOUT_S:g} s") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise NotFetchedError(f"{command[0]} {command[1]} failed ({lines[-1]})")
    return done.stdout
