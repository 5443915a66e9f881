"""The plan of the smoke tier's network."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from perf.builds import Build
from perf.cache import cache_folder
from perf.cnn.family import CnnFamily
from perf.machine import Placement
from perf.measure.family import Resources
from perf.measure.plan import Plan

NETWORK = "cifar_resnet20_v1"


@pytest.fixture(scope="session")
def plan(
    builds: Mapping[str, Build], placements: tuple[Placement, ...], tmp_path_factory: pytest.TempPathFactory
) -> Plan:
    """Three variants at batch sizes 1 and 4."""
    resources = Resources(
        build=builds.__getitem__,
        placements=placements,
        cores=2,
        cache=cache_folder(None),
        scratch=tmp_path_factory.mktemp("scratch"),
        timeout_s=60,
        say=print,
    )
    family = CnnFamily(pretrained=False, calibration="naive")
    return family.plan(NETWORK, family.cases("smoke"), resources)


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    return tmp_path
