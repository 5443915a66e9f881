"""The builds of the user's own cache, made while the unit tests run; what a family may use; where hosts can be had."""

import os
import signal
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from perf.builds import Build, provision
from perf.cache import cache_folder
from perf.dist.launch.emulated import check_possible
from perf.errors import UnavailableError
from perf.machine import Placement, find_numactl, place_instances, read_topology
from perf.measure.family import Resources
from tests.integration import ahead

# A session of this many tests with real wheels needs every build.
MANY = 50
FOLDER = Path(__file__).parent
AHEAD = pytest.StashKey[int]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Let builds be made while the unit tests run."""
    here = sum(item.path.is_relative_to(FOLDER) for item in session.items)
    first = getattr(session.config, "workerinput", {"workerid": "gw0"})["workerid"] == "gw0"
    if first and not session.config.option.collectonly and here >= MANY:
        session.config.stash[AHEAD] = ahead.begin()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End what makes them, if it still runs, with all its processes."""
    if AHEAD in session.config.stash:
        with suppress(ProcessLookupError):
            os.killpg(session.config.stash[AHEAD], signal.SIGTERM)


@pytest.fixture(scope="session")
def builds() -> Mapping[str, Build]:
    roles = ("native", "mkl", "zoo")
    get = partial(provision, override=None, cache=cache_folder(None), say=print)
    with ThreadPoolExecutor() as pool:
        return dict(zip(roles, pool.map(get, roles), strict=True))


@pytest.fixture(scope="session")
def mkl_dist() -> Build:
    return provision("mkl-dist", override=None, cache=cache_folder(None), say=print)


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
