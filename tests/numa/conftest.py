"""One guest a session. Without --numa nothing boots: emulation keeps two cores busy for minutes."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from perf.builds import provision
from perf.cache import cache_folder
from perf.cnn.artifacts.prepare import prepare
from perf.files import ROOT
from tests.numa import packages
from tests.numa.guest import CPUS, Guest
from tests.numa.inside import machine

HERE = Path(__file__).parent
ROLES = ("native", "mkl", "zoo", "mkl-dist")
# The network of the smoke tier (perf/cnn/networks.toml).
NETWORK = "cifar_resnet20_v1"
# Import what runs in the guest, without running any of it. The last is for the slow tests.
IMPORTS = ("-c", "from tests.numa import agent; from tests.numa.inside import bare, controls, machine")
IMPORTS_OF_WORKERS = ("-m", "compileall", "-q", "perf/worker", "tests/numa")
IMPORTS_OF_SLOW = ("-m", "pytest", "--collect-only", "-q", "perf/cnn", "perf/rnn", *machine.TESTS)
# Roles with their builds, as JSON carries them (tests.numa.inside.real).
Builds = Mapping[str, Any]


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
    compile_ahead(IMPORTS)
    compile_ahead(IMPORTS_OF_WORKERS)
    if request.config.getoption("--slow"):
        compile_ahead(IMPORTS_OF_SLOW)
        request.getfixturevalue("builds")
    with Guest(unpacked, tmp_path_factory.mktemp("guest")) as running:
        yield running
        assert "Power down" in running.shut_down()


@pytest.fixture(scope="session")
def builds() -> Builds:
    """What slow tests need and the guest cannot make, or only in many minutes: the builds, which come from the network
    and are probed here, and the network that is measured.
    """
    cache = cache_folder(None)
    made = {role: provision(role, override=None, cache=cache, say=print) for role in ROLES}
    prepare(
        NETWORK, zoo=made["zoo"], threads=CPUS, cache=cache, pretrained=False, calibration="naive", say=print
    )  # fmt: skip
    return {role: msgspec.to_builtins(build, enc_hook=str) for role, build in made.items()}


def compile_ahead(arguments: Sequence[str]) -> None:
    """Run the interpreter so that it stores the bytecode of all it imports, even where a variable tells it not to:
    compiling takes minutes in the guest. Where the checkout is read-only, the guest compiles.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=True)
