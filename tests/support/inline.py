"""Pytest sessions over the suite in this process, for those that measure nothing."""

import io
import os
from collections.abc import Callable
from contextlib import chdir, nullcontext, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from perf.builds import Build, Mpi
from perf.files import ROOT
from perf.machine.numactl import Numactl
from perf.machine.topology import Node, Topology
from tests.support.fakes import build

# What a session of a user does not inherit from the tests' own.
OWN = ("PYTEST_", "MXNET_PERF", "GITHUB_ACTIONS")
# Several nodes need it; where one is enough, nothing depends on whether it is installed.
NUMACTL, WITHOUT = Numactl("/usr/bin/numactl"), Numactl(None, "numactl is not installed")
# pytest's own that a session within a session has no use for: a cache, and the collecting of garbage after each one.
WITHOUT_PLUGINS = ("-p", "no:cacheprovider", "-p", "no:unraisableexception", "-p", "no:threadexception")
ONE_NODE = Topology((Node(0, (0, 1), ((0,), (1,))),))
INTEL = Mpi("intel", "2021.18.1", Path("/opt/mpi"), bundled=False)


@dataclass(frozen=True)
class Finished:
    """A session that ended: its exit code and all it printed."""

    code: int
    output: str

    def part(self, start: str, end: str = "\n") -> str:
        """What was printed between two texts; it fails when the first was not printed."""
        assert start in self.output, self.output
        return self.output.partition(start)[2].partition(end)[0]


def made_by_hand(role: str, **_: object) -> Build:
    """A build in which nothing can be measured."""
    return build(role, mkldnn="mkl" in role, mpi=INTEL if role.endswith("-dist") else None)


def run_inline(
    cache: Path,
    *options: str,
    provide: Callable[..., Build] = made_by_hand,
    topology: Topology | None = ONE_NODE,
    workflow: bool = False,
) -> Finished:
    """Run `pytest OPTIONS` with this cache; `provide` stands in for the making of builds, and `topology` for that of
    this machine unless it is None. With `workflow` it runs as in a workflow of GitHub Actions.
    """
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed), redirect_stderr(printed), chdir(ROOT):
        for name in os.environ:
            if name.startswith(OWN):
                patch.delenv(name)
        patch.setenv("MXNET_PERF_CACHE", str(cache))
        patch.setenv("MXNET_PERF_LOCK", str(cache))
        patch.setenv("COLUMNS", "1000")  # no line is wrapped
        if workflow:
            patch.setenv("GITHUB_ACTIONS", "true")
        patch.setattr("perf.plugin.hooks.alone_on_machine", lambda **_: nullcontext())
        patch.setattr("perf.plugin.setup.provision", provide)
        patch.setattr("perf.plugin.setup.cached_build", lambda _role, **_: None)
        if topology:
            patch.setattr("perf.plugin.setup.read_topology", lambda: topology)
            patch.setattr("perf.plugin.setup.find_numactl", lambda _: NUMACTL if len(topology.nodes) > 1 else WITHOUT)
        code = pytest.main([*options, "--capture=no", *WITHOUT_PLUGINS])
    return Finished(int(code), printed.getvalue())
