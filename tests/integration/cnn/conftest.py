"""One tiny network, made once for the session."""

import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest

from perf.builds import Build
from perf.cnn.artifacts.prepare import Artifacts, prepare
from perf.measure.family import Resources

NETWORK = "cifar_resnet20_v1"
Prepare = partial[Artifacts]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def make(builds: Mapping[str, Build], cache: Path, resources: Resources) -> Prepare:
    """`prepare` into a cache of the tests' own, quickly and without trained weights unless asked for."""
    return partial(
        prepare,
        zoo=builds["zoo"],
        threads=resources.cores,
        cache=cache,
        pretrained=False,
        calibration="naive",
        say=print,
    )


@pytest.fixture(scope="session")
def tiny(make: Prepare, resources: Resources) -> Artifacts:
    """A copy of the network that the user's cache keeps, where tests may damage it."""
    kept = make(NETWORK, cache=resources.cache)
    shutil.copytree(kept.folder, make.keywords["cache"] / "networks" / kept.folder.name)
    return make(NETWORK)
