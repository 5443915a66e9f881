"""Verdicts: what each one takes, what never changes one, and how often they are wrong where the truth is known."""

import math
import random
import statistics
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from perf.judge.speedup import Observed, observe
from perf.judge.spread import NO_PRIOR, Spread, variance_of
from perf.judge.verdict import (
    LOOKS,
    RUN_ERROR,
    Change,
    Judgement,
    Kind,
    Tolerance,
    change_beside,
    change_since,
    judge_beside,
    judge_since,
)

TOLERANCE = Tolerance(change=0.01, resolution=0.05)
# So narrow that the level of the run alone decides about an alarm.
NONE = Tolerance(change=1e-9, resolution=0.05)
USUAL = Spread(variance=0.01**2, degrees=10)
SESSIONS = Spread(variance=0.025**2, degrees=10)
BESIDE = [0.001, -0.002, 0.003, 0.0, -0.001]
THEN = Observed(1.60, 0.01**2, 6)
# Log speedups are stored with six digits.
MILLIONTHS = st.integers(-200_000, 200_000).map(lambda millionths: millionths / 1e6)
SAMPLE = st.lists(MILLIONTHS, min_size=1, max_size=8)
SPREADS = st.builds(Spread, st.floats(1e-6, 1e-2), st.floats(0.5, 20))
OBSERVED = st.builds(Observed, MILLIONTHS, st.just(0.0) | st.floats(1e-9, 1e-2), st.integers(1, 8))
MAYBE_SPREADS = st.just(NO_PRIOR) | SPREADS
COMPARISONS = st.sampled_from([1, 20, 168])
MIRRORED = {"regressed": "improved", "improved": "regressed"}


def moved(values: list[float], by: float) -> list[float]:
    """Log ratios after the ratio was multiplied by 1 + `by`."""
    return [value + math.log1p(by) for value in values]


def mirrored(values: list[float]) -> list[float]:
    return [-value for value in values]


def shifted(observed: Observed, by: float) -> Observed:
    """The same observation after the speedup was multiplied by 1 + `by`."""
    return replace(observed, log_ratio=observed.log_ratio + math.log1p(by))


def turned(observed: Observed) -> Observed:
    return replace(observed, log_ratio=-observed.log_ratio)


def of_values(values: list[float]) -> Observed:
    """What is observed where the values of invocations are averaged."""
    return Observed(statistics.fmean(values), variance_of(values)[0], len(values))


def scattered(count: int, sd: float) -> list[float]:
    """Values around 0 with exactly this standard deviation."""
    steps = [float(step) for step in range(count)]
    mean, deviation = statistics.fmean(steps), statistics.stdev(steps)
    return [(step - mean) / deviation * sd for step in steps]


def beside(values: list[float], spread: Spread = USUAL, comparisons: int = 168) -> Judgement:
    return judge_beside(values, spread, TOLERANCE, comparisons)


def since(now: Observed, then: Observed, comparisons: int = 20) -> Judgement:
    return judge_since(now, then, USUAL, SESSIONS, TOLERANCE, comparisons)


# Changes


@given(st.lists(MILLIONTHS, min_size=2, max_size=8, unique=True))
def test_side_by_side_without_a_prior_is_students_interval(values: list[float]) -> None:
    low, high = change_beside(values, NO_PRIOR).interval(0.9)
    known = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    assert (math.log(low), math.log(high)) == pytest.approx((known.low, known.high), rel=1e-6, abs=1e-9)


@given(st.lists(MILLIONTHS, min_size=2, unique=True), st.lists(MILLIONTHS, min_size=2, unique=True))
def test_two_sessions_without_priors_are_welchs_test(now: list[float], then: list[float]) -> None:
    change = change_since(of_values(now), of_values(then), NO_PRIOR, NO_PRIOR)
    welch = stats.ttest_ind(now, then, equal_var=False)
    assert change.degrees == pytest.approx(welch.df)
    assert change.log_ratio / change.error == pytest.approx(welch.statistic, rel=1e-6, abs=1e-9)
    assert change.confidence_beyond(0) == pytest.approx(1 - welch.pvalue / 2, abs=1e-9)


@given(SAMPLE, SPREADS)
def test_the_prior_counts_for_its_degrees_of_freedom(values: list[float], spread: Spread) -> None:
    change = change_beside(values, spread)
    squares = spread.degrees * spread.variance + statistics.pvariance(values) * len(values)
    assert change.degrees == pytest.approx(spread.degrees + len(values) - 1)
    assert change.error**2 == pytest.approx(squares / change.degrees / len(values), rel=1e-6)


@given(OBSERVED, OBSERVED, MAYBE_SPREADS, SPREADS)
def test_the_error_since_is_never_below_the_variance_between_sessions(
    now: Observed, then: Observed, within: Spread, sessions: Spread
) -> None:
    assert change_since(now, then, within, sessions).error >= math.sqrt(2 * sessions.variance) * (1 - 1e-12)


@given(OBSERVED, OBSERVED, SPREADS, SPREADS)
def test_the_error_since_adds_the_variances_of_sessions_now_and_then(
    now: Observed, then: Observed, within: Spread, sessions: Spread
) -> None:
    change = change_since(now, then, within, sessions)
    parts = 2 * sessions.variance + now.moderated(within)[0] + then.moderated(within)[0]
    assert change.error**2 == pytest.approx(parts, rel=1e-9)


@given(OBSERVED, OBSERVED, MAYBE_SPREADS, SPREADS)
def test_the_degrees_since_lie_between_the_least_and_the_sum_of_their_parts(
    now: Observed, then: Observed, within: Spread, sessions: Spread
) -> None:
    parts = [(2 * sessions.variance, sessions.degrees), now.moderated(within), then.moderated(within)]
    known = [degrees for variance, degrees in parts if variance]
    degrees = change_since(now, then, within, sessions).degrees
    assert min(known) * (1 - 1e-9) <= degrees <= sum(known) * (1 + 1e-9)


@given(OBSERVED, OBSERVED, SPREADS, SPREADS)
def test_swapping_now_and_then_turns_the_change_around(
    now: Observed, then: Observed, within: Spread, sessions: Spread
) -> None:
    forth, back = change_since(now, then, within, sessions), change_since(then, now, within, sessions)
    assert forth.log_ratio == -back.log_ratio
    assert forth.error == pytest.approx(back.error)
    assert forth.degrees == pytest.approx(back.degrees)


@given(OBSERVED, OBSERVED, SPREADS, SPREADS, st.floats(-0.9, 10))
def test_a_machine_with_larger_speedups_now_and_then_has_the_same_change(
    now: Observed, then: Observed, within: Spread, sessions: Spread, shift: float
) -> None:
    before = change_since(now, then, within, sessions)
    after = change_since(shifted(now, shift), shifted(then, shift), within, sessions)
    assert after.log_ratio == pytest.approx(before.log_ratio, abs=1e-12)
    assert (after.error, after.degrees) == (before.error, before.degrees)


@given(SAMPLE, SPREADS, st.floats(0.5, 0.999), st.floats(0, 0.1))
def test_an_interval_excludes_what_the_change_is_surely_beyond(
    values: list[float], spread: Spread, confidence: float, log_change: float
) -> None:
    change = change_beside(values, spread)
    bound = change.interval(confidence)[change.log_ratio < 0]
    margin = math.log(bound) * math.copysign(1, change.log_ratio) - log_change
    if abs(margin) > 1e-9:
        assert (change.confidence_beyond(log_change) > (1 + confidence) / 2) == (margin > 0)


def test_without_degrees_of_freedom_nothing_is_sure() -> None:
    change = change_beside([-5.0], NO_PRIOR)
    assert (change.error, change.degrees) == (math.inf, 0)
    assert change.interval() == (0.0, math.inf)
    assert change.confidence_beyond(0) == 0
    assert change.quantile(0.95) == math.inf


def test_an_exact_change_is_beyond_whatever_is_smaller() -> None:
    exact = Change(-0.05, 0.0, 10)
    assert (exact.confidence_beyond(0.049), exact.confidence_beyond(0.05), exact.confidence_beyond(0.051)) == (1, 0, 0)


def test_one_invocation_each_and_no_priors_say_nothing_of_a_drift() -> None:
    alone = Observed(1.6, 0.0, 1)
    change = change_since(shifted(alone, -0.5), alone, NO_PRIOR, NO_PRIOR)
    assert (change.error, change.degrees) == (math.inf, 0)
    found = judge_since(shifted(alone, -0.5), alone, NO_PRIOR, NO_PRIOR, TOLERANCE, 1)
    assert (found.kind, found.smallest_loss, found.with_twice) == ("ok", None, None)


def test_a_change_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="side by side"):
        change_beside([], USUAL)


# Side by side


def test_side_by_side_an_equal_build_is_ok() -> None:
    found = beside(BESIDE)
    assert (found.kind, found.reason, found.needed) == ("ok", "", None)


def test_side_by_side_a_clear_loss_is_regressed() -> None:
    found = beside(moved(BESIDE, -0.10))
    assert found.kind == "regressed"
    assert found.change is not None
    assert found.change.ratio == pytest.approx(0.90, abs=0.001)
    assert found.reason.startswith("sure at over 99.999 % that it changed, and at ")


def test_side_by_side_a_clear_gain_is_improved_and_makes_the_baseline_stale() -> None:
    found = beside(moved(BESIDE, 0.12))
    assert found.kind == "improved"
    assert found.reason.endswith(": the baseline is stale")


def test_confidence_is_never_rounded_up_to_certainty() -> None:
    reason = beside(moved(BESIDE, -0.018), comparisons=1).reason
    at_all, exceeding = (float(text.split(" %")[0]) for text in reason.split("sure at ")[1].split(", and at "))
    change = change_beside(moved(BESIDE, -0.018), USUAL)
    assert at_all <= 100 * change.confidence_beyond(0) < at_all + 0.001
    assert exceeding <= 100 * change.confidence_beyond(TOLERANCE.log_change) < exceeding + 0.001


@pytest.mark.parametrize("by", [-0.009, 0.009])
def test_side_by_side_a_change_within_the_tolerance_is_ok_however_sure(by: float) -> None:
    assert beside(moved([0.0] * 40, by), Spread(1e-10, 20)).kind == "ok"


def test_side_by_side_a_loss_beyond_the_tolerance_that_is_not_sure_is_inconclusive() -> None:
    found = beside([-0.06, 0.03, -0.09])
    assert found.kind == "inconclusive"
    assert "not sure enough for an alarm" in found.reason


def test_side_by_side_a_wide_interval_is_inconclusive_and_names_the_resolution() -> None:
    found = beside([0.12, -0.12, 0.0])
    assert found.kind == "inconclusive"
    assert found.reason == "a change by 5% cannot be excluded"
    assert found.needed is not None
    assert found.needed > 3


def test_one_invocation_without_a_prior_says_nothing() -> None:
    found = beside([-0.5], NO_PRIOR)
    assert (found.kind, found.smallest_loss, found.needed) == ("inconclusive", None, None)


@given(SPREADS, COMPARISONS)
def test_side_by_side_no_data_is_invalid(spread: Spread, comparisons: int) -> None:
    found = beside([], spread, comparisons)
    assert (found.kind, found.reason) == ("invalid", "nothing undisturbed was measured side by side")


@given(SAMPLE, MAYBE_SPREADS, COMPARISONS)
def test_side_by_side_mirrored_data_have_the_mirrored_verdict(
    values: list[float], spread: Spread, comparisons: int
) -> None:
    one, other = beside(values, spread, comparisons), beside(mirrored(values), spread, comparisons)
    assert other.kind == MIRRORED.get(one.kind, one.kind)
    assert (other.smallest_loss, other.needed) == (one.smallest_loss, one.needed)


@given(SAMPLE, SPREADS)
def test_side_by_side_more_comparisons_never_make_an_alarm(values: list[float], spread: Spread) -> None:
    few, many = beside(values, spread, 1), beside(values, spread, 1000)
    assert many.kind in {few.kind, "inconclusive"}
    assert few.smallest_loss is not None
    assert many.smallest_loss is not None
    assert many.smallest_loss >= few.smallest_loss


@given(SAMPLE, SPREADS, COMPARISONS)
def test_side_by_side_no_verdict_contradicts_the_estimate(
    values: list[float], spread: Spread, comparisons: int
) -> None:
    found = beside(values, spread, comparisons)
    assert found.change is not None
    low, high = found.change.interval()
    if found.kind == "ok":
        assert abs(found.change.log_ratio) <= TOLERANCE.log_change
        assert 0.95 < low < high < 1 / 0.95
    if found.kind == "regressed":
        assert found.change.ratio < 0.99
    if found.kind == "improved":
        assert found.change.ratio > 1 / 0.99


@given(st.integers(3, 8), st.floats(0.02, 0.2))
def test_the_invocations_that_are_needed_exclude_the_resolution(count: int, sd: float) -> None:
    found = judge_beside(scattered(count, sd), NO_PRIOR, Tolerance(0.01, 0.04), 1)
    if found.kind == "inconclusive":
        assert found.change is not None
        assert found.needed is not None
        quantile, half = stats.t.ppf(0.975, count - 1), -math.log(0.96) / 2
        assert quantile * sd / math.sqrt(found.needed) <= half * (1 + 1e-9)
        assert quantile * sd / math.sqrt(found.needed - 1) > half * (1 - 1e-9)


def test_the_invocations_that_are_needed_take_a_loss_off_the_tolerance() -> None:
    found = beside([-0.015, 0.005, -0.035], NO_PRIOR)
    assert found.kind == "inconclusive"
    assert found.needed is not None
    distance = 0.015 + math.log(0.99)
    assert stats.t.ppf(0.975, 2) * 0.02 / math.sqrt(found.needed) <= distance
    assert stats.t.ppf(0.975, 2) * 0.02 / math.sqrt(found.needed - 1) > distance


# Then and now


def test_the_same_speedup_is_ok() -> None:
    found = since(replace(THEN, invocations=3), THEN)
    assert (found.kind, found.reason, found.needed) == ("ok", "", None)


@pytest.mark.parametrize("by", [-0.3, 0.4])
def test_a_speedup_far_from_the_stored_one_has_drifted(by: float) -> None:
    found = since(shifted(THEN, by), THEN)
    assert found.kind == "drifted"
    assert found.change is not None
    assert found.change.ratio == pytest.approx(1 + by)
    assert found.reason.startswith("sure at ")


def test_what_is_sure_within_a_session_and_usual_between_sessions_is_no_drift() -> None:
    exact = Spread(1e-10, 10)
    then = Observed(1.6, 1e-10, 50)
    now = shifted(then, -0.05)
    assert judge_since(now, then, exact, SESSIONS, TOLERANCE, 1).kind == "ok"
    assert judge_since(now, then, exact, Spread(1e-6, 10), TOLERANCE, 1).kind == "drifted"


def test_a_drift_within_the_tolerance_is_ok_however_sure() -> None:
    exact, then = Spread(1e-10, 20), Observed(1.6, 1e-10, 50)
    for by, kind in ((-0.009, "ok"), (-0.011, "drifted")):
        assert judge_since(shifted(then, by), then, exact, exact, TOLERANCE, 1).kind == kind


@given(st.none() | OBSERVED, st.none() | OBSERVED, MAYBE_SPREADS, MAYBE_SPREADS, COMPARISONS)
def test_a_stored_speedup_is_never_inconclusive(
    now: Observed | None, then: Observed | None, within: Spread, sessions: Spread, comparisons: int
) -> None:
    kind = judge_since(now, then, within, sessions, TOLERANCE, comparisons).kind
    if now is None:
        assert kind == "invalid"
    elif then is None:
        assert kind == "no-baseline"
    else:
        assert kind in {"ok", "drifted"}


@given(OBSERVED, OBSERVED, MAYBE_SPREADS, MAYBE_SPREADS)
def test_mirrored_speedups_have_the_same_verdict(
    now: Observed, then: Observed, within: Spread, sessions: Spread
) -> None:
    one = judge_since(now, then, within, sessions, TOLERANCE, 20)
    other = judge_since(turned(now), turned(then), within, sessions, TOLERANCE, 20)
    assert (other.kind, other.smallest_loss) == (one.kind, one.smallest_loss)


@given(OBSERVED, OBSERVED, SPREADS, SPREADS)
def test_more_comparisons_never_make_a_drift(now: Observed, then: Observed, within: Spread, sessions: Spread) -> None:
    few, many = (judge_since(now, then, within, sessions, TOLERANCE, count).kind for count in (1, 1000))
    assert many in {few, "ok"}


# The smallest loss that is stated


@given(SAMPLE, SPREADS, COMPARISONS)
def test_the_smallest_loss_would_itself_be_called(values: list[float], spread: Spread, comparisons: int) -> None:
    centred = [value - statistics.fmean(values) for value in values]
    smallest = beside(centred, spread, comparisons).smallest_loss
    assert smallest is not None
    assert TOLERANCE.change < smallest <= 1
    if smallest < 0.9999:
        assert beside(moved(centred, -smallest), spread, comparisons).kind == "regressed"


@given(OBSERVED, OBSERVED, SPREADS, SPREADS, COMPARISONS)
def test_the_smallest_drift_would_itself_be_called(
    now: Observed, then: Observed, within: Spread, sessions: Spread, comparisons: int
) -> None:
    now = replace(now, log_ratio=then.log_ratio)
    smallest = judge_since(now, then, within, sessions, TOLERANCE, comparisons).smallest_loss
    assert smallest is not None
    assert TOLERANCE.change < smallest <= 1
    if smallest < 0.9999:
        assert judge_since(shifted(now, -smallest), then, within, sessions, TOLERANCE, comparisons).kind == "drifted"


@given(st.integers(0, 10**6), st.integers(1, 8), COMPARISONS)
def test_more_invocations_side_by_side_lower_the_smallest_loss_on_average(
    seed: int, count: int, comparisons: int
) -> None:
    draw = random.Random(seed)

    def average(invocations: int) -> float:
        samples = [[draw.gauss(0, 0.01) for _ in range(invocations)] for _ in range(40)]
        return statistics.fmean(beside(values, USUAL, comparisons).smallest_loss or 1 for values in samples)

    assert average(2 * count) < average(count)


@given(st.integers(2, 12), st.floats(0.001, 0.05), st.floats(0, 10), COMPARISONS)
def test_side_by_side_twice_as_many_invocations_lower_the_smallest_loss_as_it_is_stated(
    count: int, sd: float, degrees: float, comparisons: int
) -> None:
    one, two = (beside(scattered(n, sd), Spread(sd**2, degrees), comparisons) for n in (count, 2 * count))
    assert one.smallest_loss is not None
    assert one.with_twice is not None
    assert one.with_twice < one.smallest_loss
    assert one.with_twice == pytest.approx(two.smallest_loss)


@given(OBSERVED, OBSERVED, MAYBE_SPREADS, SPREADS, COMPARISONS)
def test_with_twice_as_many_invocations_the_smallest_drift_is_the_one_stated(
    now: Observed, then: Observed, within: Spread, sessions: Spread, comparisons: int
) -> None:
    stated = judge_since(now, then, within, sessions, TOLERANCE, comparisons).with_twice
    twice = replace(now, invocations=2 * now.invocations)
    assert stated == judge_since(twice, then, within, sessions, TOLERANCE, comparisons).smallest_loss


@given(st.integers(2, 30), st.integers(2, 30), st.floats(0.001, 0.05))
def test_more_invocations_never_raise_the_smallest_drift_of_a_single_comparison(now: int, then: int, sd: float) -> None:
    def smallest(invocations: int) -> float:
        observed, stored = Observed(1.6, sd**2, invocations), Observed(1.6, sd**2, then)
        return judge_since(observed, stored, Spread(sd**2, 10), SESSIONS, TOLERANCE, 1).smallest_loss or 1

    assert smallest(now + 1) <= smallest(now) * (1 + 1e-9)


# How often verdicts are wrong, where the truth is known


def at_most(share: float, count: int) -> float:
    """So many of `count` happen at most, each with a chance of `share`, in all but one of a thousand seeds."""
    return share * count + 3 * math.sqrt(share * count)


def own_sd(draw: random.Random, spread: Spread) -> float:
    """The deviation of one case, where those of all cases scatter as their prior says."""
    return math.sqrt(spread.variance * spread.degrees / draw.gammavariate(spread.degrees / 2, 2))


def looked_at(draw: random.Random, comparisons: int) -> Kind:
    """The verdict on a case in which nothing changed, measured again until it is decided."""
    sd, values = own_sd(draw, USUAL), list[float]()
    kind: Kind = "inconclusive"
    for _ in range(LOOKS):
        values += [draw.gauss(0, sd) for _ in range(3)]
        kind = judge_beside(values, USUAL, NONE, comparisons).kind
        if kind != "inconclusive":
            break
    return kind


def session(draw: random.Random, log_speedup: float) -> Observed:
    """A session of four invocations; its own speedup differs from the true one as sessions do."""
    own = draw.gauss(log_speedup, math.sqrt(SESSIONS.variance))
    return of_values([draw.gauss(own, math.sqrt(USUAL.variance)) for _ in range(4)])


def fastest_slots(draw: random.Random) -> Observed:
    """The same, from the fastest of ten slots of each invocation, to which noise only ever adds."""
    own = math.exp(draw.gauss(1.6, math.sqrt(SESSIONS.variance)))

    def fastest(latency: float) -> float:
        return latency * (1 + min(draw.expovariate(1 / 0.05) for _ in range(10)))

    return observe([(fastest(own), fastest(1.0)) for _ in range(4)])


def seen_again(draw: random.Random, comparisons: int) -> Kind:
    """The verdict on a case of an unchanged stack in a new session."""
    return judge_since(session(draw, 0), session(draw, 0), USUAL, SESSIONS, NONE, comparisons).kind


def timed_again(draw: random.Random, comparisons: int) -> Kind:
    """The same, judged by the fastest slots."""
    return judge_since(fastest_slots(draw), fastest_slots(draw), USUAL, SESSIONS, NONE, comparisons).kind


@pytest.mark.parametrize("comparisons", [1, 20])
@pytest.mark.parametrize("verdict", [looked_at, seen_again, timed_again])
def test_one_unchanged_run_in_a_hundred_raises_an_alarm(
    verdict: Callable[[random.Random, int], Kind], comparisons: int
) -> None:
    draw, runs = random.Random(20190713), 8000 // comparisons
    alarms = 0
    for _ in range(runs):
        kinds = {verdict(draw, comparisons) for _ in range(comparisons)}
        alarms += not kinds.isdisjoint({"regressed", "drifted"})
    assert alarms <= at_most(RUN_ERROR, runs)


@pytest.mark.parametrize("comparisons", [1, 168])
@pytest.mark.parametrize("invocations", [3, 12])
def test_side_by_side_95_of_100_losses_of_the_stated_size_are_called(invocations: int, comparisons: int) -> None:
    draw, count, called = random.Random(1), 2000, 0

    def measured(loss: float) -> Judgement:
        return beside([draw.gauss(math.log1p(-loss), 0.01) for _ in range(invocations)], USUAL, comparisons)

    for _ in range(count):
        called += measured(measured(0.0).smallest_loss or 0).kind == "regressed"
    assert called / count == pytest.approx(0.94, abs=0.04)


@pytest.mark.parametrize("comparisons", [1, 168])
def test_95_of_100_drifts_of_the_stated_size_are_called(comparisons: int) -> None:
    draw, count, called = random.Random(1), 2000, 0
    for _ in range(count):
        smallest = since(session(draw, 0), session(draw, 0), comparisons).smallest_loss or 0
        called += since(session(draw, math.log1p(-smallest)), session(draw, 0), comparisons).kind == "drifted"
    assert called / count == pytest.approx(0.96, abs=0.04)
