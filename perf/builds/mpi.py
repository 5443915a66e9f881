"""The MPI that ranks talk over: the one that comes with a build, or one that the user names."""

import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from perf.builds.process import run
from perf.errors import PerfError

OPTION = "--perf-mpi"
TRIAL_TIMEOUT_S = 60.0
Kind = Literal["intel", "open"]
# What starts jobs (Intel's `mpirun` is a script around it), and where its version stands in what it says of itself.
LAUNCHERS: dict[Kind, tuple[str, re.Pattern[str]]] = {
    "intel": ("mpiexec.hydra", re.compile(r"Intel\(R\) MPI Library.* Version (\S+)")),
    "open": ("mpirun", re.compile(r"\(Open MPI\) (\S+)")),
}


@dataclass(frozen=True)
class Mpi:
    """An MPI: whose it is, its version, and the folder that holds its `bin`. `bundled`: it came with the build."""

    kind: Kind
    version: str
    folder: Path
    bundled: bool

    @property
    def launcher(self) -> Path:
        """The program that starts jobs."""
        return self.folder / "bin" / LAUNCHERS[self.kind][0]

    @property
    def compiler(self) -> Path:
        return self.folder / "bin" / "mpicxx"

    @property
    def variables(self) -> dict[str, str]:
        """What its programs, and the ranks on every host, need to find their parts."""
        if self.kind == "open":
            return {}
        libraries = [str(self.folder / "lib"), os.environ.get("LD_LIBRARY_PATH", "")]
        return {"I_MPI_ROOT": str(self.folder), "LD_LIBRARY_PATH": ":".join(filter(None, libraries))}

    @property
    def words(self) -> str:
        """As people call it: "Intel MPI 2021.18.1"."""
        return f"{'Intel' if self.kind == 'intel' else 'Open'} MPI {self.version}"


@cache
def read_mpi(folder: Path, *, bundled: bool) -> Mpi:
    """Ask the MPI in a folder what it is. PerfError when it is none that this suite can drive."""
    subject = "the MPI of the build" if bundled else f"{OPTION}={folder}"
    step = f"name the folder that holds the `bin` of Intel MPI or Open MPI, with its mpicxx, or leave {OPTION} out"
    for kind, (program, pattern) in LAUNCHERS.items():
        launcher = folder / "bin" / program
        if launcher.exists():
            words = _version(launcher, folder, subject)
            found = pattern.search(words)
            if found is None:
                raise PerfError(f"{launcher} is of neither: {words[:200]}", subject=subject, next_step=step)
            mpi = Mpi(kind, found[1], folder, bundled)
            if not os.access(mpi.compiler, os.X_OK):
                raise PerfError(f"there is no {mpi.compiler}", subject=subject, next_step=step)
            return mpi
    names = " or ".join(program for program, _ in LAUNCHERS.values())
    raise PerfError(f"there is no {names} in {folder / 'bin'}", subject=subject, next_step=step)


def _version(launcher: Path, folder: Path, subject: str) -> str:
    environment = {**os.environ, "I_MPI_ROOT": str(folder)}
    said = run([str(launcher), "--version"], environment=environment, timeout=TRIAL_TIMEOUT_S, subject=subject)
    return (said.stdout + said.stderr).strip().partition("\n")[0]
