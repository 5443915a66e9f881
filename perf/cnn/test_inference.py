"""CNN inference: the latency of every network, batch size and variant, and the speedup over the native build."""

from collections.abc import Callable

import pytest

from perf.cnn.family import CnnFamily
from perf.cnn.symbols.networks import user_networks
from perf.plugin.collection import parametrize_cases
from perf.plugin.fixtures import clock
from perf.plugin.options import OPTIONS


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    options = metafunc.config.stash[OPTIONS]
    brought = user_networks(options.symbols)
    family = CnnFamily(options.pretrained, options.calibration, options.weights, brought)
    networks = (*options.models, *(network.name for network in brought))
    parametrize_cases(metafunc, family.cases(options.tier, networks, options.batches))


@pytest.mark.benchmark(timer=clock)
def test_inference(record: Callable[[], None]) -> None:
    record()
