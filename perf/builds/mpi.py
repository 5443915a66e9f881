"""The MPI that ranks use: the one bundled with a build, or one that the user names."""

import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from perf.builds.process import run
from perf.errors import PerfError

OPTION = "--perf-mpi"
# A launcher prints its version at once, unless the disk is slow.
TRIAL_TIMEOUT_S = 60.0
Kind = Literal["intel", "open"]
# The program that starts jobs (Intel's `mpirun` is a script around it), and its version in what `--version` prints.
LAUNCHERS: dict[Kind, tuple[str, re.Pattern[str]]] = {
    "intel": ("mpiexec.hydra", re.compile(r"Intel\(R\) MPI Library.* Version (\S+)")),
    "open": ("mpirun", re.compile(r"\(Open MPI\) (\S+)")),
}


@dataclass(frozen=True)
class Mpi:
    """An MPI installation.

    kind: "intel" or "open".
    version: its version.
    folder: the folder that contains its `bin`.
    bundled: whether it was installed with the build.
    """

    kind: Kind
    version: str
    folder: Path
    bundled: bool

    @property
    def launcher(self) -> Path:
        """Return the program that starts jobs."""
        return self.folder / "bin" / LAUNCHERS[self.kind][0]

    @property
    def compiler(self) -> Path:
        """Return its compiler wrapper for C++."""
        return self.folder / "bin" / "mpicxx"

    @property
    def variables(self) -> dict[str, str]:
        """Return the environment variables with which its programs, and ranks on every host, find its libraries."""
        if self.kind == "open":
            return {}
        libraries = [str(self.folder / "lib"), os.environ.get("LD_LIBRARY_PATH", "")]
        return {"I_MPI_ROOT": str(self.folder), "LD_LIBRARY_PATH": ":".join(filter(None, libraries))}

    @property
    def label(self) -> str:
        """Return its usual name: "Intel MPI 2021.18.1"."""
        return f"{'Intel' if self.kind == 'intel' else 'Open'} MPI {self.version}"


@cache
def read_mpi(folder: Path, *, bundled: bool) -> Mpi:
    """Return the MPI in a folder. Raises PerfError when it is not one that this suite can use."""
    subject = "the MPI of the build" if bundled else f"{OPTION}={folder}"
    step = f"name the folder that contains the `bin` of Intel MPI or Open MPI, with mpicxx in it, or leave {OPTION} out"
    for kind, (program, pattern) in LAUNCHERS.items():
        launcher = folder / "bin" / program
        if launcher.exists():
            output = _version(launcher, folder, subject)
            match = pattern.search(output)
            if match is None:
                raise PerfError(
                    f"{launcher} is from neither of the two: {output[:200]}", subject=subject, next_step=step
                )
            mpi = Mpi(kind, match[1], folder, bundled)
            if not os.access(mpi.compiler, os.X_OK):
                raise PerfError(f"there is no {mpi.compiler}", subject=subject, next_step=step)
            return mpi
    names = " or ".join(program for program, _ in LAUNCHERS.values())
    raise PerfError(f"there is no {names} in {folder / 'bin'}", subject=subject, next_step=step)


def _version(launcher: Path, folder: Path, subject: str) -> str:
    environment = {**os.environ, "I_MPI_ROOT": str(folder)}
    finished = run([str(launcher), "--version"], environment=environment, timeout_s=TRIAL_TIMEOUT_S, subject=subject)
    return (finished.stdout + finished.stderr).strip().partition("\n")[0]
