"""A training job as plain data, and the command that starts it."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from perf.builds import Build, Mpi
from perf.dist.data import JobDeadlines, load
from perf.machine import Placement

# What a rank's own output is called, in files with its number at the end.
OUT, ERR = "out", "err"


@dataclass(frozen=True)
class Cluster:
    """The hosts that ranks run on; none: this one alone. `prefix` goes before the launcher's command, `variables` are
    what reaching the hosts needs.
    """

    hosts: tuple[str, ...] = ()
    prefix: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RankPlacement:
    """Where one rank runs: on which host (None: here), and where on it. `called` is the host's name in texts, where its
    own is another one in each session.
    """

    host: str | None
    placement: Placement
    called: str | None = None

    @property
    def words(self) -> str:
        return f"{self.called or self.host or 'this host'}, {self.placement.describe().partition(': ')[2]}"


@dataclass(frozen=True, kw_only=True)
class Job:
    """What all ranks do: the function `run` of the module `program`, with the arguments in `task`. `deadline_s` ends it
    whatever it does. `variables` are Horovod's and the MPI's settings, None for those of `jobs.toml`; `extra` are its
    own. `deadlines` say how long its ranks may be silent or stand still. Ranks whose seats have no launch prefix pin
    themselves.
    """

    build: Build
    cluster: Cluster
    rank_placements: tuple[RankPlacement, ...]
    program: str
    task: Mapping[str, Any]
    deadline_s: float
    variables: Mapping[str, str] | None = None
    extra: Mapping[str, str] = field(default_factory=dict)
    deadlines: JobDeadlines = field(default_factory=lambda: load().limits)

    @property
    def mpi(self) -> Mpi:
        """TypeError for a build without one."""
        if self.build.mpi is None:
            raise TypeError(f"the build {self.build.role} has no MPI")
        return self.build.mpi

    @property
    def environment(self) -> dict[str, str]:
        """What Horovod and MPI need beside the build's own variables."""
        settings = settings_of(self.mpi) if self.variables is None else self.variables
        return {**self.mpi.variables, **self.cluster.variables, **settings, **self.extra}


def settings_of(mpi: Mpi) -> dict[str, str]:
    """The settings of Horovod and of this MPI, from `jobs.toml`."""
    given = load().variables
    return {**given["horovod"], **given[mpi.kind]}


def command(job: Job, folder: Path, environment: Mapping[str, str]) -> list[str]:
    """The command line of a job: a section for each rank, so that each has a launch prefix of its own. Its launcher
    runs in `environment`, and ranks on all hosts get that.
    """
    mpi = job.mpi
    words = [sys.executable, "-P", "-m", "perf.worker.process_lifetime", *job.cluster.prefix, str(mpi.launcher)]
    # What a job is asked goes to all ranks.
    if mpi.kind == "intel":
        words += ["-s", "all", "-outfile-pattern", f"{folder}/{OUT}.%r", "-errfile-pattern", f"{folder}/{ERR}.%r"]
    else:
        # It hands on its own variables only; others must be named.
        changed = [name for name, value in environment.items() if os.environ.get(name) != value]
        named = [word for name in changed if not name.startswith("OMPI_") for word in ("-x", name)]
        words += ["--stdin", "all", "--tag-output", *named]
    worker = [str(job.build.python), "-P", "-m", "perf.worker.rank", json.dumps(_order(job))]
    for number, rank_placement in enumerate(job.rank_placements):
        host = ["-host", rank_placement.host] if rank_placement.host else []
        words += [":"] * (number > 0) + ["-n", "1", *host, *rank_placement.placement.prefix, *worker]
    return words


def _order(job: Job) -> dict[str, Any]:
    bound = all(rank_placement.placement.prefix for rank_placement in job.rank_placements)
    return {
        "program": job.program,
        "task": job.task,
        "affinity": [] if bound else _by_local_rank(job.rank_placements),
        "stall_s": job.deadlines.stall_s,
        "first_s": job.deadlines.first_s,
        "deaf_s": job.deadlines.deaf_s,
    }


def _by_local_rank(rank_placements: tuple[RankPlacement, ...]) -> list[tuple[int, ...]]:
    """The CPUs of each rank of a host; all hosts are placed alike."""
    first = [rank_placement for rank_placement in rank_placements if rank_placement.host == rank_placements[0].host]
    return [rank_placement.placement.cpus for rank_placement in first]
