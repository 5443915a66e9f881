"""What a session works with, whatever it measures or checks: the machine, where instances run, and the builds."""

import os
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from perf.builds import Build, cached_build, is_compiled, provision, scrubbed_shell_variables
from perf.cache import cache_folder
from perf.errors import PerfError
from perf.machine import (
    Machine,
    Placement,
    State,
    find_numactl,
    findings,
    place_instances,
    ranks_per_host,
    read_machine,
    read_state,
    read_topology,
)
from perf.measure.family import Resources
from perf.measure.ledger import Ledger
from perf.plugin.options import Options
from perf.report.charts import Curve
from perf.report.progress import ProgressLine
from perf.wording import counted, uv


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What a session works with.

    options: what the user asked for.
    machine: the machine.
    state: the machine's state before anything ran.
    placements: where instances run.
    builds: the builds, by role.
    missing: why there is no build in a role, by role.
    rank_placements: where ranks of training jobs run.
    cache: the folder of builds, networks and sessions.
    scratch: a temporary folder of the session.
    progress: the line that shows how far the session is.
    uncaptured: lets output inside its block reach the user.
    ledger: where the time goes.
    started_s: the monotonic time, in seconds, when setting up began.
    curves: the mean accuracy by epoch of trainings, by title and number of ranks; checks of answers add theirs.
    """

    options: Options
    machine: Machine
    state: State
    placements: tuple[Placement, ...]
    builds: Mapping[str, Build]
    missing: Mapping[str, PerfError]
    rank_placements: tuple[Placement, ...]
    cache: Path
    scratch: Path
    progress: ProgressLine
    uncaptured: Callable[[], AbstractContextManager[None]]
    ledger: Ledger
    started_s: float
    curves: dict[str, dict[int, Curve]] = field(default_factory=dict)

    @property
    def resources(self) -> Resources:
        """What families and checks may use of it."""
        return Resources(
            build=self.build,
            placements=self.placements,
            cores=self.machine.physical_cores,
            cache=self.cache,
            scratch=self.scratch,
            timeout_s=self.options.timeout_s,
            say=self.progress.say,
            rank_placements=self.rank_placements,
            hosts_file=self.options.hosts,
        )

    def build(self, role: str) -> Build:
        """Return the build in a role. Raises PerfError with the reason when there is none."""
        if role in self.missing:
            raise self.missing[role]
        return self.builds[role]

    @property
    def wall_s(self) -> float:
        """Seconds since the session began to set itself up."""
        return time.monotonic() - self.started_s

    def header(self) -> list[str]:
        """Return what runs, on what and where, a line each, and warnings about what makes its numbers misleading."""
        lines = [
            self.machine_line,
            *(placement.describe() for placement in self.placements),
            *(f"build {build.role}: {_describe(build)}" for build in self.builds.values()),
        ]
        lines += [
            f"{build.requirement}: OpenBLAS does not recognise this CPU and fell back to {build.blas_kernels} (no "
            "AVX2); expect different speedups on a recognised CPU (docs/explanation/native-blas.md). Override the "
            "choice with --perf-blas-kernels=Haswell"
            for build in self.builds.values()
            if build.blas_without_avx2 and self.machine.has_isa("avx2")
        ]
        lines += [note for build in self.builds.values() for note in build.notes]
        ignored = scrubbed_shell_variables(os.environ)
        if ignored:
            lines.append(f"ignored, though the shell sets them: {', '.join(ignored)} (perf/builds/builds.toml)")
        return [*lines, *self.doubts]

    @property
    def machine_line(self) -> str:
        """The machine, in one line."""
        machine = self.machine
        return (
            f"machine class {machine.machine_class}: {machine.cpu_model}, {machine.physical_cores} cores, "
            f"{counted(machine.nodes, 'NUMA node')}, kernel {machine.kernel}"
        )

    @property
    def doubts(self) -> list[str]:
        """What made the machine doubtful before anything ran, in a line; nothing when it was quiet."""
        doubtful = [f"{f.check} {f.reading}" for f in findings(self.state) if f.verdict == "doubtful"]
        return [f"doubtful before the start: {'; '.join(doubtful)} ({uv()} run mxperf doctor)"] if doubtful else []

    def in_three_lines(self) -> list[str]:
        """Return the machine, where instances run, and the builds, a line each."""
        first, number = self.placements[0].describe(), len(self.placements)
        instances = first if number == 1 else f"{number} instances, the first of them {first}"
        builds: dict[str, list[str]] = {}
        for build in self.builds.values():
            blas = f", OpenBLAS for {build.blas_kernels}" if build.blas_kernels else ""
            origin = "" if build.locked else ", not locked"
            if build.overridden:
                origin += f", pins overridden: {'; '.join(build.overridden)}"
            builds.setdefault(f"{build.requirement}{blas}{origin}", []).append(build.role)
        described = "; ".join(f"{', '.join(roles)}: {text}" for text, roles in builds.items())
        return [self.machine_line.removeprefix("machine class "), instances, f"builds {described}"]


SETUP = pytest.StashKey[Setup]()


def _describe(build: Build) -> str:
    features = "MKL-DNN" if build.facts.mkldnn else "no MKL-DNN"
    features += "".join(f", {kind}: {library}" for kind, library in build.libraries.items())
    if build.blas_kernels:
        features += f" for {build.blas_kernels}"
    if build.mpi:
        features += f", {build.mpi.label}"
    origin = "locked" if build.locked else "not locked"
    return f"{build.requirement} ({features}, {origin})"


def set_up(
    options: Options,
    roles: Collection[str],
    scratch: Path,
    progress: ProgressLine,
    uncaptured: Callable[[], AbstractContextManager[None]],
) -> Setup:
    """Read the machine, place the instances and make the builds ready. Raises PerfError when any of it fails."""
    started_s = time.monotonic()
    state = read_state()
    topology = read_topology()
    placements = place_instances(
        topology, instances=options.instances, threads=options.threads, numactl=find_numactl(topology)
    )
    rank_placements = place_instances(
        topology, instances=ranks_per_host(topology, options.ranks), numactl=find_numactl(topology)
    )
    cache = cache_folder(options.cache)
    builds: dict[str, Build] = {}
    missing: dict[str, PerfError] = {}
    ledger = Ledger()
    how: dict[str, Any] = {
        "cache": cache,
        "say": progress.say,
        "blas_kernels": options.blas_kernels,
        "mpi": options.mpi,
    }

    def reused(role: str) -> Build | None:
        return cached_build(role, override=options.overrides.get(role), **how)

    with uncaptured(), ledger.stage("installing"):
        with ThreadPoolExecutor() as pool:  # each is imported, to check it, which takes a second
            cached = dict(zip(roles, pool.map(reused, roles), strict=True))
        for role in sorted(roles):
            try:
                builds[role] = cached[role] or provision(role, override=options.overrides.get(role), **how)
            except PerfError as error:
                if not is_compiled(role):
                    raise
                # It needs a compiler besides the network. What does not need this build still runs.
                missing[role] = error
                progress.say(str(error))
    return Setup(
        options=options,
        machine=read_machine(topology=topology),
        state=state,
        placements=placements,
        builds=builds,
        missing=missing,
        rank_placements=rank_placements,
        cache=cache,
        scratch=scratch,
        progress=progress,
        uncaptured=uncaptured,
        ledger=ledger,
        started_s=started_s,
    )
