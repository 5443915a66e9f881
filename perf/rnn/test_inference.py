"""RNN inference: the latency of a fused operator at every shape in both builds, and the speedup over native."""

from collections.abc import Callable

import pytest

from perf.plugin.fixtures import clock
from perf.plugin.hooks import OPTIONS
from perf.rnn.family import RnnFamily


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    options = metafunc.config.stash[OPTIONS]
    selected = RnnFamily().cases(options.tier, options.cells, options.shapes)
    metafunc.parametrize("case", selected, ids=[case.id for case in selected])


@pytest.mark.benchmark(timer=clock)
def test_inference(record: Callable[[], None]) -> None:
    record()
