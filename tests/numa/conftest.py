"""One guest a session. Without --numa nothing boots: emulation keeps two cores busy for minutes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from perf.builds import provision
from perf.cache import cache_folder
from tests.numa import packages
from tests.numa.guest import Guest

HERE = Path(__file__).parent
ROLES = ("native", "mkl", "zoo", "mkl-dist")


def pytest_itemcollected(item: pytest.Item) -> None:
    if item.path.is_relative_to(HERE):
        item.add_marker(pytest.mark.numa)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what needs the guest, unless it is asked for."""
    if not config.getoption("--numa"):
        for item in items:
            if item.get_closest_marker("numa"):
                item.add_marker(pytest.mark.skip("boots a guest: add --numa"))


@pytest.fixture(scope="session")
def guest(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    """The guest with two nodes, shut down at the end. Skips where its packages cannot be fetched."""
    cache = cache_folder(None)
    try:
        unpacked = packages.fetch(cache)
    except packages.NotFetchedError as error:
        pytest.skip(f"no guest: {error}")
    # The guest has no network. Only slow tests need builds.
    for role in ROLES if request.config.getoption("--slow") else ():
        provision(role, override=None, cache=cache, say=print)
    with Guest(unpacked, tmp_path_factory.mktemp("guest")) as running:
        yield running
        assert "Power down" in running.shut_down()
