"""CNN inference: latency of every network, batch size and variant, and the speedup over the native build."""

from collections.abc import Callable
from typing import Any

import pytest

from perf.cnn.family import Case, CnnFamily, cases
from perf.cnn.networks import REFERENCE
from perf.plugin.hooks import OPTIONS
from perf.plugin.replay import clock


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    options = metafunc.config.stash[OPTIONS]
    selected = cases(options.tier, options.models, options.batches)
    metafunc.parametrize("case", selected, ids=[case.id for case in selected])


@pytest.fixture(scope="session")
def family(pytestconfig: pytest.Config) -> CnnFamily:
    options = pytestconfig.stash[OPTIONS]
    return CnnFamily(pretrained=options.pretrained, calibration=options.calibration)


@pytest.mark.benchmark(timer=clock)
def test_inference(case: Case, record: Callable[[], dict[str, Any]]) -> None:
    figures = record()
    if case.variant == REFERENCE:
        return
    assert figures["speedup"] is not None, f"{REFERENCE} failed, so {case.id} has no speedup"
