"""Distributed training: images per second on one rank and on several, and the scaling efficiency."""

from collections.abc import Callable

import pytest

from perf.dist.family import DistFamily
from perf.dist.launch.hosts import rank_counts, read_hosts
from perf.machine import ranks_per_host, read_topology
from perf.plugin.collection import parametrize_cases
from perf.plugin.fixtures import clock
from perf.plugin.options import OPTIONS, Options


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    options = metafunc.config.stash[OPTIONS]
    family = DistFamily(options.tier, options.invocations)
    parametrize_cases(metafunc, family.cases(rank_counts(_most(options)), options.models, options.batches))


def _most(options: Options) -> int:
    """Return how many ranks fit on this host, or on all hosts that the user names."""
    ranks = ranks_per_host(read_topology(), options.ranks)
    return sum(host.ranks for host in read_hosts(options.hosts, ranks)) if options.hosts else ranks


@pytest.mark.benchmark(timer=clock)
def test_scaling(record: Callable[[], None]) -> None:
    record()
