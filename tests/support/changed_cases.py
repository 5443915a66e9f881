"""Cases that differ from the baseline's, and the verdicts on them."""

import math
from typing import Any

from hypothesis import strategies as st

from perf.judge.variance_prior import VariancePrior
from perf.runs.gate import Gate
from perf.runs.variances import Priors, priors_of
from perf.runs.verdict import Verdict
from perf.stack import REPORTED_ONLY
from tests.support.factories import (
    CHANGED,
    LOG_SPEEDUPS,
    TOLERANCES,
    as_case,
    benchmark,
    gate,
    int8,
    measured_side_by_side,
    sample,
    stack,
)

VALUES = st.lists(st.integers(-500_000, 500_000).map(lambda millionths: 1.6 + millionths / 1e6), max_size=6)
FIELDS = st.sets(st.sampled_from(sorted(CHANGED.keys() - REPORTED_ONLY)), min_size=1)
ASSUMED = Priors(VariancePrior(0.01**2, 10), VariancePrior(0.005**2, 10))
NEW_WHEEL = stack(wheel="d" * 64, requirement="./new.whl")
SAME, SLOWER, FASTER = (
    [by + scatter for scatter in (0.001, -0.002, 0.0, 0.001, 0.0)] for by in (0.0, math.log(0.9), math.log(1.1))
)


def moved(by: float, **figures: Any) -> dict[str, Any]:
    """Return mkl-fp32 with its speedup multiplied by 1 + `by`."""
    values = [value + math.log1p(by) for value in LOG_SPEEDUPS]
    return benchmark(samples={"native-fp32": sample(values)}, **figures)


def new_wheel(*side_by_side: float, by: float = 0.0, **baseline_arm: Any) -> dict[str, Any]:
    """Return mkl-fp32 with another wheel than the baseline's, measured side by side with the baseline's stack."""
    return moved(by, stack=NEW_WHEEL, beside=measured_side_by_side(*side_by_side, **baseline_arm))


def int8_moved(over_native: float, over_fp32: float) -> dict[str, Any]:
    return int8(over_native=2.8 + math.log1p(over_native), over_fp32=1.2 + math.log1p(over_fp32))


def undecided(entry: dict[str, Any], at: Gate | None = None) -> float | None:
    at, case = at or gate(), as_case(entry)
    return at.undecided(case, priors_of([case], at.tolerances))


def smallest_loss(verdict: Verdict) -> float:
    assert verdict.deciding is not None
    assert verdict.deciding.smallest_loss is not None
    return verdict.deciding.smallest_loss


def has_no_verdict(entry: dict[str, Any]) -> bool:
    case = as_case(entry)
    return gate().verdict(case, priors_of([case], TOLERANCES)) is None
