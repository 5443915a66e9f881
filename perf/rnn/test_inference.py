"""Recurrent inference: latency of a fused operator at every shape in both builds, and the speedup over native."""

from collections.abc import Callable
from typing import Any

import pytest

from perf.plugin.hooks import OPTIONS
from perf.plugin.replay import clock
from perf.rnn.family import Case, RnnFamily
from perf.rnn.shapes import REFERENCE


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    options = metafunc.config.stash[OPTIONS]
    selected = RnnFamily().cases(options.tier, options.cells, options.shapes)
    metafunc.parametrize("case", selected, ids=[case.id for case in selected])


@pytest.mark.benchmark(timer=clock)
def test_inference(case: Case, record: Callable[[], dict[str, Any]]) -> None:
    figures = record()
    if case.variant == REFERENCE:
        return
    assert figures["speedup"] is not None, f"{REFERENCE} failed, so {case.id} has no speedup"
