"""Runs of consecutive sessions, for tests of which runs are stored."""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from perf.runs.acceptance import Waiver, store
from perf.runs.schema import StoredRun, read_run
from tests.support.factories import (
    LOG_SPEEDUPS,
    TOLERANCES,
    benchmark,
    document,
    measured_side_by_side,
    native,
    sample,
    stack,
)

WORKLOADS = ("resnet18_v1-b1", "resnet50_v1-b1", "squeezenet1.0-b1")
NEW_WHEEL = stack(wheel="c" * 64, requirement="mxnet-mkl==1.5.1")
NO_WAIVER = Waiver()
MINUTES = itertools.count()
ITEM = "perf/cnn/test_inference.py::test_inference[{}]"


def run_of(
    changes: Mapping[str, float],
    *,
    compared: bool = True,
    wheel: str = "b",
    left_out: Mapping[str, str] | None = None,
    **context: Any,
) -> dict[str, Any]:
    """Return a run whose log speedups differ from the first run's by `changes`. With another wheel, cases are measured
    side by side with the first run's wheel if the session `compared` them.
    """
    entries = []
    for workload, change in changes.items():
        figures: dict[str, Any] = {"samples": {"native-fp32": sample([value + change for value in LOG_SPEEDUPS])}}
        if wheel != "b":
            figures["stack"] = stack(wheel=wheel * 64, requirement="mxnet-mkl==1.5.1")
            figures["beside"] = (
                measured_side_by_side(*(change + x for x in (0.001, -0.001, 0.0, 0.0005))) if compared else None
            )
        entries += [native(workload), benchmark(workload, **figures)]
    missing = {ITEM.format(name): why for name, why in (left_out or {}).items()}
    return ended_later(document(*entries, left_out=missing, **context))


def ended_later(content: dict[str, Any]) -> dict[str, Any]:
    """Return the run with an end time, and times of passes, that no other run has."""
    number = next(MINUTES)
    longest = 0.03 + number * 1e-9
    entries = [{**entry, "stats": {**entry["stats"], "max": longest}} for entry in content["benchmarks"]]
    return {**content, "benchmarks": entries, "datetime": f"2026-11-23T15:00:00.{number:06}+00:00"}


EQUAL = dict.fromkeys(WORKLOADS, 0.0)
SLOWER = {**EQUAL, WORKLOADS[1]: -0.5}


def stored(folder: Path, content: dict[str, Any], waiver: Waiver = NO_WAIVER) -> StoredRun:
    return read_run(store(content, folder, "made", waiver, TOLERANCES).path)
