"""The order of tests and which run alone, warnings as errors, how hypothesis searches, and a small disk."""

import os
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.beside import ByFixtures, turn

UNIT = Path(__file__).parent / "unit"
TURNS = pytest.StashKey[str]()
SmallDisk = tuple[Path, Callable[[], object]]

# How long an example takes says how busy the machine is, and nothing about the code.
settings.register_profile("suite", deadline=None, max_examples=30)
settings.register_profile("thorough", deadline=None, max_examples=1000)
settings.register_profile("emulated", deadline=None, max_examples=3)  # where everything takes 20 times as long
settings.load_profile("suite")


# Not in pyproject.toml: a library's warning, or pytest's own, would be an exception in a user's session of perf/ too.
@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return (yield)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run long sessions and simulations")
    parser.addoption("--numa", action="store_true", help="also boot a guest with two NUMA nodes (tests/numa)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The unit tests come first, and slow tests are skipped unless they are asked for."""
    items.sort(key=lambda item: not item.path.is_relative_to(UNIT))
    if not config.getoption("--slow"):
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip("slow: add --slow"))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFixtures:
    """With `-n`, let one process have the tests that share fixtures."""
    return ByFixtures(config, log)


def pytest_configure_node(node: Any) -> None:
    """Name a folder of locks to a process that runs tests."""
    config: pytest.Config = node.config
    if TURNS not in config.stash:
        folder = tempfile.TemporaryDirectory(prefix="mxnet-perf-turns-")
        config.add_cleanup(folder.cleanup)
        config.stash[TURNS] = folder.name
    node.workerinput["turns"] = config.stash[TURNS]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """With `-n`, a test that measures runs while no other test does."""
    turns = getattr(item.config, "workerinput", {}).get("turns")
    if turns is None:
        return (yield)
    with turn(Path(turns), alone=item.get_closest_marker("alone") is not None):
        return (yield)


def pytest_itemcollected(item: pytest.Item) -> None:
    item.add_marker(pytest.mark.filterwarnings("error"), append=False)  # a test's own filters take precedence


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """A folder that holds 20 MB, and a function that makes it read-only."""
    mount = shutil.which("mount")
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() or not mount:
        pytest.skip("only root may mount a small disk")
    command = [mount, "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    yield folder, lambda: subprocess.run([mount, "-o", "remount,ro", str(folder)], check=True)
    subprocess.run(["umount", str(folder)], check=True)
