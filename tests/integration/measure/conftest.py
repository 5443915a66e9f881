"""The plan of the smoke tier's network."""

from pathlib import Path
from typing import Any

import pytest

from perf.cnn.family import CnnFamily
from perf.measure.family import Resources
from perf.measure.plan import Plan

NETWORK = "cifar_resnet20_v1"


@pytest.fixture(scope="session")
def plan(resources: Resources) -> Plan[Any]:
    """Three variants at batch sizes 1 and 4."""
    family = CnnFamily(pretrained=False, calibration="naive")
    return family.plan(NETWORK, family.cases("smoke"), resources)


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    return tmp_path
