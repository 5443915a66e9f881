"""Pytest sessions over the suite in this process, for those that measure nothing."""

import io
import os
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from perf.builds import Build, Mpi
from perf.errors import PerfError
from perf.files import ROOT
from tests.support.fakes import build

# What a session of a user does not inherit from the tests' own.
OWN = ("PYTEST_", "MXNET_PERF")
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


def run_inline(cache: Path, *options: str, missing: PerfError | None = None) -> Finished:
    """Run `pytest OPTIONS` with this cache and with builds made by hand, in which nothing can be measured. There is no
    build that trains when `missing` says why.
    """

    def made_by_hand(role: str, **_: object) -> Build:
        trains = role.endswith("-dist")
        if trains and missing:
            raise missing
        return build(role, mkldnn="mkl" in role, mpi=INTEL if trains else None)

    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed), redirect_stderr(printed), chdir(ROOT):
        for name in os.environ:
            if name.startswith(OWN):
                patch.delenv(name)
        patch.setenv("MXNET_PERF_CACHE", str(cache))
        patch.setattr("perf.plugin.setup.provision", made_by_hand)
        code = pytest.main([*options, "--capture=no", "-p", "no:cacheprovider"])
    return Finished(int(code), printed.getvalue())
