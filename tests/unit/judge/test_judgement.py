"""Judgements: which samples lead to each verdict, and what never changes one."""

import math
import statistics
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from perf.judge.change import change_side_by_side
from perf.judge.judgement import (
    MAX_EVALUATIONS,
    RUN_ERROR,
    Judgement,
    Tolerance,
    judge_drift,
    judge_side_by_side,
)
from perf.judge.speedup import ObservedRatio
from perf.judge.variance_prior import NO_PRIOR, VariancePrior
from tests.unit.judge.samples import MAYBE_PRIORS, OBSERVED, PRIORS, SAMPLE, SESSIONS, USUAL, shifted

TOLERANCE = Tolerance(change=0.01, resolution=0.05)
# So narrow that only the level of the run decides about an alarm.
NONE = Tolerance(change=1e-9, resolution=0.05)
EQUAL = [0.001, -0.002, 0.003, 0.0, -0.001]
THEN = ObservedRatio(1.60, 0.01**2, 6)
COMPARISONS = st.sampled_from([1, 20, 168])
MIRRORED = {"regressed": "improved", "improved": "regressed"}


def moved(values: list[float], by: float) -> list[float]:
    """Return log ratios with the ratio multiplied by 1 + `by`."""
    return [value + math.log1p(by) for value in values]


def mirrored(values: list[float]) -> list[float]:
    return [-value for value in values]


def turned(observed: ObservedRatio) -> ObservedRatio:
    return replace(observed, log_ratio=-observed.log_ratio)


def scattered(count: int, sd: float) -> list[float]:
    """Return values around 0 with exactly this standard deviation."""
    steps = [float(step) for step in range(count)]
    mean, deviation = statistics.fmean(steps), statistics.stdev(steps)
    return [(step - mean) / deviation * sd for step in steps]


def side_by_side(values: list[float], prior: VariancePrior = USUAL, comparisons: int = 168) -> Judgement:
    return judge_side_by_side(values, prior, TOLERANCE, comparisons)


def since(now: ObservedRatio, then: ObservedRatio, comparisons: int = 20) -> Judgement:
    return judge_drift(now, then, USUAL, SESSIONS, TOLERANCE, comparisons)


# Side by side


def test_side_by_side_an_equal_build_is_ok() -> None:
    judgement = side_by_side(EQUAL)
    assert (judgement.kind, judgement.reason, judgement.needed) == ("ok", "", None)


def test_side_by_side_a_clear_loss_is_regressed() -> None:
    judgement = side_by_side(moved(EQUAL, -0.10))
    assert judgement.kind == "regressed"
    assert judgement.change is not None
    assert judgement.change.ratio == pytest.approx(0.90, abs=0.001)
    assert judgement.reason.startswith("over 99.999 % confidence that it changed, and over ")


def test_side_by_side_a_clear_gain_is_improved_and_the_baseline_is_out_of_date() -> None:
    judgement = side_by_side(moved(EQUAL, 0.12))
    assert judgement.kind == "improved"
    assert judgement.reason.endswith("; the baseline is out of date")


def test_confidence_is_never_rounded_up_to_certainty() -> None:
    reason = side_by_side(moved(EQUAL, -0.018), comparisons=1).reason
    at_all, exceeding = (float(text.split(" %")[0]) for text in reason.split(", and "))
    change = change_side_by_side(moved(EQUAL, -0.018), USUAL)
    assert at_all <= 100 * change.confidence_beyond(0) < at_all + 0.001
    assert exceeding <= 100 * change.confidence_beyond(TOLERANCE.log_change) < exceeding + 0.001


@pytest.mark.parametrize("by", [-0.009, 0.009])
def test_side_by_side_a_change_within_the_tolerance_is_ok_however_significant(by: float) -> None:
    assert side_by_side(moved([0.0] * 40, by), VariancePrior(1e-10, 20)).kind == "ok"


def test_side_by_side_an_insignificant_loss_beyond_the_tolerance_is_inconclusive() -> None:
    judgement = side_by_side([-0.06, 0.03, -0.09])
    assert judgement.kind == "inconclusive"
    assert "too weak for an alarm" in judgement.reason


def test_side_by_side_a_wide_interval_is_inconclusive_and_names_the_resolution() -> None:
    judgement = side_by_side([0.12, -0.12, 0.0])
    assert judgement.kind == "inconclusive"
    assert judgement.reason == "a change of 5% cannot be excluded"
    assert judgement.needed is not None
    assert judgement.needed > 3


def test_one_invocation_without_a_prior_is_inconclusive() -> None:
    judgement = side_by_side([-0.5], NO_PRIOR)
    assert (judgement.kind, judgement.smallest_loss, judgement.needed) == ("inconclusive", None, None)


@given(PRIORS, COMPARISONS)
def test_side_by_side_without_invocations_is_invalid(prior: VariancePrior, comparisons: int) -> None:
    judgement = side_by_side([], prior, comparisons)
    assert (judgement.kind, judgement.reason) == (
        "invalid",
        "there is no undisturbed measurement side by side with the baseline's stack",
    )


@given(SAMPLE, MAYBE_PRIORS, COMPARISONS)
def test_side_by_side_mirrored_data_has_the_mirrored_verdict(
    values: list[float], prior: VariancePrior, comparisons: int
) -> None:
    one, other = side_by_side(values, prior, comparisons), side_by_side(mirrored(values), prior, comparisons)
    assert other.kind == MIRRORED.get(one.kind, one.kind)
    assert other.smallest_loss == pytest.approx(one.smallest_loss)
    assert other.needed == one.needed


@given(SAMPLE, PRIORS)
def test_side_by_side_more_comparisons_never_make_an_alarm(values: list[float], prior: VariancePrior) -> None:
    few, many = side_by_side(values, prior, 1), side_by_side(values, prior, 1000)
    assert many.kind in {few.kind, "inconclusive"}
    assert few.smallest_loss is not None
    assert many.smallest_loss is not None
    assert many.smallest_loss >= few.smallest_loss


@given(SAMPLE, PRIORS, COMPARISONS)
def test_side_by_side_no_verdict_contradicts_the_estimate(
    values: list[float], prior: VariancePrior, comparisons: int
) -> None:
    judgement = side_by_side(values, prior, comparisons)
    assert judgement.change is not None
    low, high = judgement.change.interval()
    if judgement.kind == "ok":
        assert abs(judgement.change.log_ratio) <= TOLERANCE.log_change
        assert 0.95 < low < high < 1 / 0.95
    if judgement.kind == "regressed":
        assert judgement.change.ratio < 0.99
    if judgement.kind == "improved":
        assert judgement.change.ratio > 1 / 0.99


@given(st.integers(3, 8), st.floats(0.02, 0.2))
def test_the_invocations_that_are_needed_exclude_the_resolution(count: int, sd: float) -> None:
    judgement = judge_side_by_side(scattered(count, sd), NO_PRIOR, Tolerance(0.01, 0.04), 1)
    if judgement.kind == "inconclusive":
        assert judgement.change is not None
        assert judgement.needed is not None
        quantile, half = stats.t.ppf(0.975, count - 1), -math.log(0.96) / 2
        assert quantile * sd / math.sqrt(judgement.needed) <= half * (1 + 1e-9)
        assert quantile * sd / math.sqrt(judgement.needed - 1) > half * (1 - 1e-9)


def test_the_invocations_that_are_needed_exclude_the_tolerance_from_the_interval() -> None:
    judgement = side_by_side([-0.0105, -0.0085, -0.0125], NO_PRIOR, 1)
    assert judgement.kind == "inconclusive"
    assert judgement.needed is not None
    distance = 0.0105 + math.log(0.99)
    assert stats.t.ppf(0.975, 2) * 0.002 / math.sqrt(judgement.needed) <= distance
    assert stats.t.ppf(0.975, 2) * 0.002 / math.sqrt(judgement.needed - 1) > distance


def test_the_invocations_that_are_needed_make_the_change_significant() -> None:
    """A loss whose interval is clear of the tolerance, but which is one of many comparisons."""
    judgement = side_by_side([-0.059, -0.068, -0.05], NO_PRIOR, 15)
    assert judgement.kind == "inconclusive"
    assert judgement.change is not None
    assert judgement.change.interval()[1] < 0.98
    assert judgement.needed is not None
    level = 1 - RUN_ERROR / (15 * MAX_EVALUATIONS)
    assert stats.t.ppf(level, 2) * 0.009 / math.sqrt(judgement.needed) <= 0.059
    assert stats.t.ppf(level, 2) * 0.009 / math.sqrt(judgement.needed - 1) > 0.059


# Then and now


def test_one_invocation_each_without_priors_shows_no_drift() -> None:
    alone = ObservedRatio(1.6, 0.0, 1)
    judgement = judge_drift(shifted(alone, -0.5), alone, NO_PRIOR, NO_PRIOR, TOLERANCE, 1)
    assert (judgement.kind, judgement.smallest_loss, judgement.with_twice) == ("ok", None, None)


def test_the_same_speedup_is_ok() -> None:
    judgement = since(replace(THEN, invocations=3), THEN)
    assert (judgement.kind, judgement.reason, judgement.needed) == ("ok", "", None)


@pytest.mark.parametrize("by", [-0.3, 0.4])
def test_a_speedup_far_from_the_stored_one_has_drifted(by: float) -> None:
    judgement = since(shifted(THEN, by), THEN)
    assert judgement.kind == "drifted"
    assert judgement.change is not None
    assert judgement.change.ratio == pytest.approx(1 + by)
    assert judgement.reason.startswith("over 99.999 % confidence that it changed")


def test_a_change_that_is_usual_between_sessions_is_no_drift() -> None:
    exact = VariancePrior(1e-10, 10)
    then = ObservedRatio(1.6, 1e-10, 50)
    now = shifted(then, -0.05)
    assert judge_drift(now, then, exact, SESSIONS, TOLERANCE, 1).kind == "ok"
    assert judge_drift(now, then, exact, VariancePrior(1e-6, 10), TOLERANCE, 1).kind == "drifted"


def test_a_drift_within_the_tolerance_is_ok_however_significant() -> None:
    exact, then = VariancePrior(1e-10, 20), ObservedRatio(1.6, 1e-10, 50)
    for by, kind in ((-0.009, "ok"), (-0.011, "drifted")):
        assert judge_drift(shifted(then, by), then, exact, exact, TOLERANCE, 1).kind == kind


@given(st.none() | OBSERVED, st.none() | OBSERVED, MAYBE_PRIORS, MAYBE_PRIORS, COMPARISONS)
def test_a_stored_speedup_is_never_inconclusive(
    now: ObservedRatio | None,
    then: ObservedRatio | None,
    within: VariancePrior,
    sessions: VariancePrior,
    comparisons: int,
) -> None:
    kind = judge_drift(now, then, within, sessions, TOLERANCE, comparisons).kind
    if now is None:
        assert kind == "invalid"
    elif then is None:
        assert kind == "no-baseline"
    else:
        assert kind in {"ok", "drifted"}


@given(OBSERVED, OBSERVED, MAYBE_PRIORS, MAYBE_PRIORS)
def test_mirrored_speedups_have_the_same_verdict(
    now: ObservedRatio, then: ObservedRatio, within: VariancePrior, sessions: VariancePrior
) -> None:
    one = judge_drift(now, then, within, sessions, TOLERANCE, 20)
    other = judge_drift(turned(now), turned(then), within, sessions, TOLERANCE, 20)
    assert (other.kind, other.smallest_loss) == (one.kind, one.smallest_loss)


@given(OBSERVED, OBSERVED, PRIORS, PRIORS)
def test_more_comparisons_never_make_a_drift(
    now: ObservedRatio, then: ObservedRatio, within: VariancePrior, sessions: VariancePrior
) -> None:
    few, many = (judge_drift(now, then, within, sessions, TOLERANCE, count).kind for count in (1, 1000))
    assert many in {few, "ok"}
