"""The build that trains, and jobs of two ranks."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from perf.builds import Build
from perf.dist.data import load
from perf.dist.launch.job import Cluster, Job, RankPlacement
from perf.machine import Placement, find_numactl, place_instances, read_topology

Launch = Callable[..., Job]
# Short enough to be waited for. Ranks beat once a second, and importing MXNet may hold the interpreter for one more.
TIMEOUTS = msgspec.structs.replace(load().timeouts, silence_s=3.5, stall_s=3.0, launcher_silence_s=3.0, exit_s=1.0)


@pytest.fixture(scope="session")
def two_rank_placements() -> tuple[Placement, ...]:
    topology = read_topology()
    return place_instances(topology, instances=2, numactl=find_numactl(topology))


@pytest.fixture
def job(mkl_dist: Build, two_rank_placements: tuple[Placement, ...]) -> Launch:
    """Return a function that describes a job of two ranks, on this host or on those of a cluster."""

    def make(
        program: str, arguments: Mapping[str, Any], cluster: Cluster | None = None, deadline_s: float = 60.0
    ) -> Job:
        cluster = cluster or Cluster()
        hosts = cluster.hosts or (None, None)
        rank_placements = tuple(
            RankPlacement(host, placement) for host, placement in zip(hosts, two_rank_placements, strict=True)
        )
        return Job(
            build=mkl_dist,
            cluster=cluster,
            rank_placements=rank_placements,
            program=program,
            arguments=arguments,
            deadline_s=deadline_s,
            timeouts=TIMEOUTS,
        )

    return make


@pytest.fixture
def token(tmp_path: Path) -> str:
    """A text on the command line of the test's own ranks, by which their processes are recognised."""
    return str(tmp_path)
