"""The builds of the user's own cache, and where one instance runs."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from perf.builds import Build, provision
from perf.cache import cache_folder
from perf.machine import Placement, find_numactl, place_instances, read_topology


@pytest.fixture(scope="session")
def builds() -> Mapping[str, Build]:
    roles = ("native", "mkl", "zoo")
    get = partial(provision, override=None, cache=cache_folder(None), say=print)
    with ThreadPoolExecutor() as pool:
        return dict(zip(roles, pool.map(get, roles), strict=True))


@pytest.fixture(scope="session")
def placements() -> tuple[Placement, ...]:
    topology = read_topology()
    return place_instances(topology, instances=1, numactl=find_numactl(topology))
