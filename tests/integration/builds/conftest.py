"""One cache for the session: making the native build takes seconds and 140 MB, so the tests share it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from perf.builds import Build, provision


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cache")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def empty_cache(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "cache"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def native(cache: Path) -> Build:
    return provision("native", override=None, cache=cache, say=print)


@pytest.fixture
def said() -> list[str]:
    return []
