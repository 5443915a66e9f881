"""A drift of all cases of a variant is detected where no single one is significant."""

import math
import statistics
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.judge.change import Change
from perf.judge.judgement import GROUP_ERROR_FRACTION, RUN_ERROR, Tolerance, judge_group
from perf.judge.variance_prior import VariancePrior
from perf.runs.variances import SessionVariances, priors_of
from tests.support.factories import LOG_SPEEDUPS, as_run, benchmark, document, gate, native, sample

TOLERANCE = Tolerance(0.02, 0.05)
NOISE = VariancePrior(0.01**2, 10)


def run_of(count: int, change: float = 0.0) -> dict[str, Any]:
    """Return a run of `count` networks whose log speedups differ from the stored ones by `change`."""
    samples = {"native-fp32": sample([value + change for value in LOG_SPEEDUPS])}
    names = [f"network{number}-b1" for number in range(count)]
    return document(*(entry for name in names for entry in (native(name), benchmark(name, samples=samples))))


# The variance that is assumed for networks until three sessions are stored (baselines/tolerances.toml).
ASSUMED = SessionVariances({"cnn": VariancePrior(0.02**2, 4)}, {}, 0)


def kinds(count: int, change: float) -> list[str]:
    """Return the verdicts on `count` networks that all changed alike, with an assumed variance only."""
    at = gate(run_of(count), sessions=ASSUMED)
    now = list(as_run(run_of(count, change)).cases.values())
    return [verdict.kind for verdict in at.judged(now).verdicts.values()]


def test_112_cases_that_are_30_percent_slower_are_drifted() -> None:
    at = gate(run_of(112), sessions=ASSUMED)
    case = as_run(run_of(1, math.log(0.7))).cases["network0-b1-mkl-fp32"]
    alone = at.verdict(case, priors_of([case], at.tolerances))
    assert alone is not None
    assert alone.kind == "ok", "one of 112 cases alone is not significant with so few stored sessions"
    assert kinds(112, math.log(0.7)) == ["drifted"] * 112


def test_a_little_slower_is_ok() -> None:
    assert set(kinds(112, math.log(0.95))) == {"ok"}


def test_the_group_is_named_in_the_reason() -> None:
    judged = gate(run_of(112), sessions=ASSUMED).judged(list(as_run(run_of(112, math.log(0.7))).cases.values()))
    (group,) = judged.groups
    assert group.text.startswith("median change of 112 cases of cnn, mkl-fp32 over native-fp32: -30.0% [")
    assert all(verdict.reason.startswith(group.text) for verdict in judged.verdicts.values())


def test_two_cases_are_no_group() -> None:
    at = gate(run_of(2))
    assert at.judged(list(as_run(run_of(2)).cases.values())).groups == ()


def test_false_alarms_of_groups_keep_to_their_part_of_the_error_of_a_run() -> None:
    """One session moves all cases alike: the worst case. Eight degrees of freedom, four groups."""
    draw, degrees, groups, sd = np.random.default_rng(20190713), 8, 4, 0.02
    runs, alarms = 40_000, 0
    moved = draw.standard_normal(runs) * sd * math.sqrt(2)
    known = draw.chisquare(degrees, runs) / degrees * sd**2
    # Only large changes can be an alarm, so only these are judged.
    for change, variance in zip(moved, known, strict=True):
        if abs(change) > 3 * math.sqrt(2 * variance):
            sessions = VariancePrior(float(variance), degrees)
            changes = [Change(float(change), (sessions, VariancePrior(1e-12, 10)))] * 3
            alarms += judge_group(changes, sessions, TOLERANCE, groups).kind == "drifted"
    expected = GROUP_ERROR_FRACTION * RUN_ERROR / groups
    assert alarms <= runs * expected + 3 * math.sqrt(runs * expected) + 1


def test_one_case_alone_does_not_make_its_group_drift() -> None:
    sessions = VariancePrior(0.02**2, 10)
    changes = [Change(change, (sessions, NOISE)) for change in (-0.8, 0.0, 0.001)]
    assert judge_group(changes, sessions, TOLERANCE, 1).kind == "ok"


@given(st.lists(st.floats(-0.5, 0.5), min_size=3, max_size=20))
def test_the_median_is_judged_and_a_larger_loss_is_never_less_significant(changes: list[float]) -> None:
    sessions = VariancePrior(0.02**2, 6)
    judged = judge_group([Change(c, (sessions, NOISE)) for c in changes], sessions, TOLERANCE, 3)
    assert judged.change is not None
    assert judged.change.log_ratio == pytest.approx(statistics.median(changes))
    if judged.kind == "drifted" and judged.change.log_ratio < 0:
        worse = judge_group([Change(c - 0.1, (sessions, NOISE)) for c in changes], sessions, TOLERANCE, 3)
        assert worse.kind == "drifted"
