"""A part of the plugin: which cells --perf-cell may name."""

from functools import partial

from perf.plugin.options import Options
from perf.rnn.shapes import check_cells


def pytest_perf_check_names(options: Options) -> None:
    """Raise PerfError for a recurrent cell that does not exist."""
    check_cells(options.cells, label=partial(options.label, "cells"))
