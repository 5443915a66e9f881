"""Warnings as errors, the builds of the user's own cache, and where one instance runs."""

import warnings
from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from hypothesis import settings

from perf.builds import Build, provision
from perf.cache import cache_folder
from perf.dist.emulated import check_possible
from perf.errors import UnavailableError
from perf.machine import Placement, find_numactl, place_instances, read_topology
from perf.measure.family import Resources

# How long an example takes says how busy the machine is, and nothing about the code.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")


# Not in pyproject.toml: a library's warning, or pytest's own, would be an exception in a user's session of perf/ too.
@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return (yield)


def pytest_itemcollected(item: pytest.Item) -> None:
    item.add_marker(pytest.mark.filterwarnings("error"), append=False)  # a test's own filters go before it


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


@pytest.fixture(scope="session")
def resources(
    builds: Mapping[str, Build], placements: tuple[Placement, ...], tmp_path_factory: pytest.TempPathFactory
) -> Resources:
    """What a family is given in a session, with a scratch folder of the tests' own."""
    return Resources(
        build=builds.__getitem__,
        placements=placements,
        cores=2,
        cache=cache_folder(None),
        scratch=tmp_path_factory.mktemp("scratch"),
        timeout_s=60,
        say=print,
    )


def can_emulate() -> bool:
    """Whether hosts can be emulated here."""
    try:
        check_possible()
    except UnavailableError:
        return False
    return True


@pytest.fixture(scope="session")
def two_hosts() -> None:
    """Skips where no hosts can be emulated."""
    try:
        check_possible()
    except UnavailableError as error:
        pytest.skip(str(error))
