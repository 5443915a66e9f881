"""Changes and their errors: Student's t for one part, the distribution of Behrens and Fisher for two."""

import math
import statistics
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from perf.judge.change import LARGEST_LOG, Change, change_between_sessions, change_over_anchor, change_side_by_side
from perf.judge.speedup import ObservedRatio
from perf.judge.variance_prior import NO_PRIOR, VariancePrior
from tests.unit.judge.samples import MAYBE_PRIORS, MILLIONTHS, OBSERVED, PRIORS, SAMPLE, USUAL, of_values, shifted

CONFIDENCES = st.floats(0.55, 0.9999)
PARTS = st.builds(VariancePrior, st.floats(1e-6, 1e-1), st.floats(2, 30))


@given(st.lists(MILLIONTHS, min_size=2, max_size=8, unique=True))
def test_side_by_side_without_a_prior_has_students_interval(values: list[float]) -> None:
    low, high = change_side_by_side(values, NO_PRIOR).interval(0.9)
    known = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    assert (math.log(low), math.log(high)) == pytest.approx((known.low, known.high), rel=1e-6, abs=1e-9)


@given(st.lists(MILLIONTHS, min_size=2, unique=True), st.lists(MILLIONTHS, min_size=2, unique=True))
def test_two_sessions_without_priors_are_compared_by_students_t_test(now: list[float], then: list[float]) -> None:
    change = change_between_sessions(of_values(now), of_values(then), NO_PRIOR, NO_PRIOR)
    student = stats.ttest_ind(now, then)
    assert change.log_ratio / change.error == pytest.approx(student.statistic, rel=1e-6, abs=1e-9)
    assert change.confidence_beyond(0) == pytest.approx(1 - student.pvalue / 2, abs=1e-9)


@given(SAMPLE, PRIORS)
def test_the_prior_counts_for_its_degrees_of_freedom(values: list[float], prior: VariancePrior) -> None:
    (part,) = change_side_by_side(values, prior).parts
    squares = prior.degrees * prior.variance + statistics.pvariance(values) * len(values)
    assert part.degrees == pytest.approx(prior.degrees + len(values) - 1)
    assert part.variance == pytest.approx(squares / part.degrees / len(values), rel=1e-6)


@given(OBSERVED, OBSERVED, PRIORS, PRIORS)
def test_between_sessions_the_prior_counts_once(
    now: ObservedRatio, then: ObservedRatio, within: VariancePrior, sessions: VariancePrior
) -> None:
    of_sessions, pooled = change_between_sessions(now, then, within, sessions).parts
    assert of_sessions == VariancePrior(2 * sessions.variance, sessions.degrees)
    assert pooled.degrees == pytest.approx(within.degrees + now.degrees + then.degrees)
    squares = within.degrees * within.variance + now.degrees * now.variance + then.degrees * then.variance
    expected = squares / pooled.degrees * (1 / now.invocations + 1 / then.invocations)
    assert pooled.variance == pytest.approx(expected, rel=1e-9)


@given(OBSERVED, OBSERVED, MAYBE_PRIORS, PRIORS)
def test_the_error_is_never_below_the_variance_between_sessions(
    now: ObservedRatio, then: ObservedRatio, within: VariancePrior, sessions: VariancePrior
) -> None:
    assert change_between_sessions(now, then, within, sessions).error >= math.sqrt(2 * sessions.variance) * (1 - 1e-12)


@given(OBSERVED, OBSERVED, PRIORS, PRIORS)
def test_swapping_now_and_then_reverses_the_change(
    now: ObservedRatio, then: ObservedRatio, within: VariancePrior, sessions: VariancePrior
) -> None:
    forth, back = (
        change_between_sessions(now, then, within, sessions),
        change_between_sessions(then, now, within, sessions),
    )
    assert forth.log_ratio == -back.log_ratio
    assert forth.error == pytest.approx(back.error)


@given(OBSERVED, OBSERVED, PRIORS, PRIORS, st.floats(-0.9, 10))
def test_a_machine_with_larger_speedups_now_and_then_has_the_same_change(
    now: ObservedRatio, then: ObservedRatio, within: VariancePrior, sessions: VariancePrior, shift: float
) -> None:
    before = change_between_sessions(now, then, within, sessions)
    after = change_between_sessions(shifted(now, shift), shifted(then, shift), within, sessions)
    assert after.log_ratio == pytest.approx(before.log_ratio, abs=1e-12)
    assert after.parts == before.parts


@pytest.mark.parametrize(
    "first", [VariancePrior(1e-4, 4), VariancePrior(1e-4, 2), VariancePrior(1e-8, 3), VariancePrior(1e-4, 200)]
)
@pytest.mark.parametrize("second", [VariancePrior(1e-4, 10), VariancePrior(4e-6, 2.5)])
def test_the_error_of_two_parts_is_distributed_like_their_sum(first: VariancePrior, second: VariancePrior) -> None:
    draw, count = np.random.default_rng(1), 1_000_000
    error = sum(math.sqrt(part.variance) * draw.standard_t(part.degrees, count) for part in (first, second))
    for confidence in (0.6, 0.95, 0.99, 0.999):
        quantile = Change(0.0, (first, second)).quantile(confidence)
        below = float(np.mean(error < quantile))
        assert below == pytest.approx(confidence, abs=4 * math.sqrt(confidence * (1 - confidence) / count))


@given(PARTS, PARTS, CONFIDENCES)
def test_quantile_and_confidence_are_inverse_functions(
    first: VariancePrior, second: VariancePrior, confidence: float
) -> None:
    quantile = Change(0.0, (first, second)).quantile(confidence)
    assert Change(-quantile, (first, second)).confidence_beyond(0) == pytest.approx(confidence, abs=1e-7)


@given(PARTS, CONFIDENCES)
def test_a_negligible_part_of_the_error_does_not_matter(part: VariancePrior, confidence: float) -> None:
    alone = Change(0.0, (part,)).quantile(confidence)
    assert alone == pytest.approx(stats.t.ppf(confidence, part.degrees) * math.sqrt(part.variance), rel=1e-6)
    for tiny in (0.0, part.variance * 1e-12):
        both = Change(0.0, (part, VariancePrior(tiny, 5)))
        assert both.quantile(confidence) == pytest.approx(alone, rel=1e-4)


@given(PARTS, PARTS, CONFIDENCES)
def test_the_quantile_lies_between_those_of_one_part_and_their_sum(
    first: VariancePrior, second: VariancePrior, confidence: float
) -> None:
    one, other = (Change(0.0, (part,)).quantile(confidence) for part in (first, second))
    both = Change(0.0, (first, second)).quantile(confidence)
    assert max(one, other) * (1 - 1e-6) <= both <= (one + other) * (1 + 1e-6)


@given(SAMPLE, PRIORS, st.floats(0.5, 0.999), st.floats(0, 0.1))
def test_an_interval_excludes_what_the_change_significantly_exceeds(
    values: list[float], prior: VariancePrior, confidence: float, log_change: float
) -> None:
    change = change_side_by_side(values, prior)
    bound = change.interval(confidence)[change.log_ratio < 0]
    assume(bound > 0)
    margin = math.log(bound) * math.copysign(1, change.log_ratio) - log_change
    if abs(margin) > 1e-9 and abs(math.log(bound)) < LARGEST_LOG:
        assert (change.confidence_beyond(log_change) > (1 + confidence) / 2) == (margin > 0)


def test_an_interval_wider_than_the_largest_double_is_bounded() -> None:
    low, high = change_side_by_side([0.0], VariancePrior(0.0078125, 0.5)).interval(0.99609375)
    assert low < 1e-300
    assert 1e300 < high < math.inf


def test_without_degrees_of_freedom_the_error_is_unknown() -> None:
    change = change_side_by_side([-5.0], NO_PRIOR)
    assert (change.error, change.known) == (math.inf, False)
    assert change.interval() == (0.0, math.inf)
    assert change.confidence_beyond(0) == 0
    assert change.quantile(0.95) == math.inf


def test_an_exact_change_exceeds_every_smaller_one() -> None:
    exact = Change(-0.05, (VariancePrior(0.0, 10),))
    assert (exact.confidence_beyond(0.049), exact.confidence_beyond(0.05), exact.confidence_beyond(0.051)) == (1, 0, 0)
    assert exact.interval() == (math.exp(-0.05), math.exp(-0.05))


def test_one_invocation_each_without_priors_leaves_the_error_unknown() -> None:
    alone = ObservedRatio(1.6, 0.0, 1)
    assert not change_between_sessions(shifted(alone, -0.5), alone, NO_PRIOR, NO_PRIOR).known
    assert change_between_sessions(replace(alone, invocations=2), alone, NO_PRIOR, NO_PRIOR).known
    assert change_between_sessions(alone, alone, USUAL, NO_PRIOR).known


def test_a_change_without_invocations_is_refused() -> None:
    with pytest.raises(ValueError, match="side by side"):
        change_side_by_side([], USUAL)


@given(st.lists(MILLIONTHS, min_size=2, unique=True), st.lists(MILLIONTHS, min_size=2, unique=True))
def test_two_builds_over_one_anchor_are_compared_by_students_t_test(now: list[float], then: list[float]) -> None:
    change = change_over_anchor(now, then, NO_PRIOR)
    student = stats.ttest_ind(now, then)
    assert change.p_value == pytest.approx(student.pvalue, abs=1e-9)
    low, high = change.interval()
    known = student.confidence_interval()
    assert (math.log(low), math.log(high)) == pytest.approx((known.low, known.high), rel=1e-6, abs=1e-9)


@given(SAMPLE, PRIORS)
def test_a_build_over_the_anchor_itself_is_measured_side_by_side(values: list[float], prior: VariancePrior) -> None:
    over_anchor, known = change_over_anchor(values, [], prior), change_side_by_side(values, prior)
    assert (over_anchor.log_ratio, over_anchor.error) == pytest.approx((known.log_ratio, known.error))
    back = change_over_anchor([], values, prior)
    assert (back.log_ratio, back.p_value) == pytest.approx((-known.log_ratio, over_anchor.p_value))


def test_a_change_of_unknown_error_has_no_p_value_that_counts() -> None:
    assert Change(-0.5, ()).p_value == 1.0
    assert Change(0.0, (USUAL,)).p_value == 1.0
