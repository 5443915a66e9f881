"""RNN inference: the latency of a fused operator at every shape in both builds, and the speedup over native."""

from collections.abc import Callable

import pytest

from perf.plugin.collection import parametrize_cases
from perf.plugin.fixtures import clock
from perf.plugin.options import OPTIONS
from perf.rnn.family import RnnFamily


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    options = metafunc.config.stash[OPTIONS]
    parametrize_cases(metafunc, RnnFamily().cases(options.tier, options.cells, options.shapes, options.layers))


@pytest.mark.benchmark(timer=clock)
def test_inference(record: Callable[[], None]) -> None:
    record()
