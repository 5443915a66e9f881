"""One tiny network, made once for the session."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pytest

from perf.builds import Build
from perf.cnn.artifacts.prepare import Artifacts, prepare

Prepare = Callable[..., Artifacts]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def make(builds: Mapping[str, Build], cache: Path) -> Prepare:
    """`prepare` into a cache of the tests' own, quickly and without trained weights unless asked for."""
    return partial(prepare, zoo=builds["zoo"], threads=2, cache=cache, pretrained=False, calibration="naive", say=print)


@pytest.fixture(scope="session")
def tiny(make: Prepare) -> Artifacts:
    return make("cifar_resnet20_v1")
