"""Verdicts on cases that differ from the baseline's by a known amount."""

import math
from typing import Any

from perf.runs.gate import Gate
from perf.runs.verdict import Verdict
from tests.support.factories import (
    CASE,
    LOG_SPEEDUPS,
    benchmark,
    judged,
    measured_side_by_side,
    sample,
    stack,
)

COMMAND = f"uv run pytest 'perf/cnn/test_inference.py::test_inference[{CASE}]'"
NEW_WHEEL = stack(wheel="d" * 64, requirement="./new.whl")
WHEEL_CHANGE = "wheel: mxnet-mkl==1.5.0 (bbbbbbbbbbbb) -> ./new.whl (dddddddddddd)"
EVEN = [0.001, -0.002, 0.0, 0.001, 0.0]
SETTINGS = {"kernel": "6.2.0", "governor": "performance"}


def drifted(by: float = -0.2, workload: str = "resnet50_v1-b1", at: Gate | None = None, **figures: Any) -> Verdict:
    """Return the verdict on a case of the baseline's stack with its speedup multiplied by 1 + `by`."""
    values = [value + math.log1p(by) for value in LOG_SPEEDUPS]
    return judged(benchmark(workload, samples={"native-fp32": sample(values)}, **figures), at)


def judged_side_by_side(by: float, workload: str = "resnet50_v1-b1", **baseline_arm: Any) -> Verdict:
    """Return the verdict on a case with another wheel, whose speed side by side is 1 + `by` times the baseline's."""
    baseline_arms = measured_side_by_side(*(value + math.log1p(by) for value in EVEN), **baseline_arm)
    return judged(benchmark(workload, stack=NEW_WHEEL, beside=baseline_arms))
