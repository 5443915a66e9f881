"""One guest a session. Without --numa nothing boots: emulation keeps two cores busy for minutes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from perf.builds import provision
from perf.cache import cache_folder
from perf.cnn.artifacts.prepare import prepare
from tests.numa import packages
from tests.numa.guest import CPUS, Guest

HERE = Path(__file__).parent
ROLES = ("native", "mkl", "zoo", "mkl-dist")
# The network of the smoke tier (perf/cnn/networks.toml).
NETWORK = "cifar_resnet20_v1"


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
    if request.config.getoption("--slow"):
        make_ahead(cache)
    with Guest(unpacked, tmp_path_factory.mktemp("guest")) as running:
        yield running
        assert "Power down" in running.shut_down()


def make_ahead(cache: Path) -> None:
    """Make what slow tests need and the guest cannot make, or only in many minutes: the builds, which come from the
    network, and the network that is measured.
    """
    builds = {role: provision(role, override=None, cache=cache, say=print) for role in ROLES}
    prepare(
        NETWORK, zoo=builds["zoo"], threads=CPUS, cache=cache, pretrained=False, calibration="naive", say=print
    )  # fmt: skip
