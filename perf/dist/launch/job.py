"""A training job as plain data, and the command that launches it."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from perf.builds import Build, Mpi
from perf.dist.data import Timeouts, load
from perf.machine import Placement

# The files of a rank's standard output and standard error: this and its number.
OUT, ERR = "out", "err"


@dataclass(frozen=True)
class Cluster:
    """The hosts that ranks run on, ready for use.

    `hosts`: their names; () for this host alone. `prefix`: the arguments in front of the launcher's command.
    `variables`: what the launcher and the ranks need to reach the hosts.
    """

    hosts: tuple[str, ...] = ()
    prefix: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RankPlacement:
    """Where one rank runs.

    `host`: its host, None for this one. `placement`: its CPUs on that host. `alias`: the name of the host in stored
    stacks and texts, where its own name is a different one in each session.
    """

    host: str | None
    placement: Placement
    alias: str | None = None

    def describe(self) -> str:
        """Return host, CPUs and threads in one line, such as "this host, node 0, CPU 1, 1 thread, numactl"."""
        return f"{self.alias or self.host or 'this host'}, {self.placement.describe().partition(': ')[2]}"


@dataclass(frozen=True, kw_only=True)
class Job:
    """One program on several ranks, as a launcher starts it.

    `build`: whose Python runs it. `cluster`, `rank_placements`: where; one placement for each rank, in their order. A
    rank whose placement has no launch prefix pins itself. `program`: a module in which every rank calls `run`.
    `arguments`: of that function. `deadline_s`: when the job is ended, in seconds. `variables`: environment variables
    for Horovod and the MPI, None for those of `jobs.toml`. `extra_variables`: set on top of them.
    `timeouts`: when it is given up before that.
    """

    build: Build
    cluster: Cluster
    rank_placements: tuple[RankPlacement, ...]
    program: str
    arguments: Mapping[str, Any]
    deadline_s: float
    variables: Mapping[str, str] | None = None
    extra_variables: Mapping[str, str] = field(default_factory=dict)
    timeouts: Timeouts = field(default_factory=lambda: load().timeouts)

    @property
    def mpi(self) -> Mpi:
        """Return the MPI of the build. Raises TypeError for a build without one."""
        if self.build.mpi is None:
            raise TypeError(f"the build {self.build.role} has no MPI")
        return self.build.mpi

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables that Horovod and the MPI need, without the build's own."""
        chosen = default_variables(self.mpi) if self.variables is None else self.variables
        return {**self.mpi.variables, **self.cluster.variables, **chosen, **self.extra_variables}


def default_variables(mpi: Mpi) -> dict[str, str]:
    """Return the environment variables of `jobs.toml` for Horovod and this MPI."""
    variables = load().variables
    return {**variables["horovod"], **variables[mpi.kind]}


def command(job: Job, folder: Path, environment: Mapping[str, str]) -> list[str]:
    """Return the command line of a job, which writes the output of its ranks into `folder`.

    It has a section for each rank, with a launch prefix of its own. The launcher must run in `environment`, which ranks
    on all hosts inherit.
    """
    mpi = job.mpi
    arguments = [sys.executable, "-P", "-m", "perf.worker.process_lifetime", *job.cluster.prefix, str(mpi.launcher)]
    # Requests go to the standard input of all ranks.
    if mpi.kind == "intel":
        arguments += ["-s", "all", "-outfile-pattern", f"{folder}/{OUT}.%r", "-errfile-pattern", f"{folder}/{ERR}.%r"]
    else:
        # Open MPI passes on its own variables only; all that the suite sets must be named.
        changed = [name for name, value in environment.items() if os.environ.get(name) != value]
        named = [argument for name in changed if not name.startswith("OMPI_") for argument in ("-x", name)]
        arguments += ["--stdin", "all", "--tag-output", *named]
    rank_command = [str(job.build.python), "-P", "-m", "perf.worker.rank"]
    for number, rank_placement in enumerate(job.rank_placements):
        host = ["-host", rank_placement.host] if rank_placement.host else []
        arguments += [":"] * (number > 0) + ["-n", "1", *host, *rank_placement.placement.prefix]
        arguments += [*rank_command, json.dumps(_rank_job(job, rank_placement.placement))]
    return arguments


def _rank_job(job: Job, placement: Placement) -> dict[str, Any]:
    """Return the argument of one rank's process (`perf.worker.rank`): `cpus` are those to which it pins itself."""
    return {
        "program": job.program,
        "arguments": job.arguments,
        "cpus": () if placement.prefix else placement.cpus,
        "stall_s": job.timeouts.stall_s,
        "first_step_s": job.timeouts.first_step_s,
        "launcher_silence_s": job.timeouts.launcher_silence_s,
    }
