"""Verdicts: what each one takes, what never changes one, and how often they are wrong where the truth is known."""

import math
import random
import statistics
from collections import Counter

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.special import stdtrit

from perf.judge.spread import NO_PRIOR, Spread
from perf.judge.verdict import (
    LOOKS,
    Judgement,
    Then,
    Tolerance,
    change_beside,
    change_from,
    judge,
    settle,
)

TOLERANCE = Tolerance(change=0.01, resolution=0.05)
WIDER = Tolerance(change=0.02, resolution=0.05)
USUAL = Spread(variance=0.01**2, degrees=10)
THEN = Then([1.60, 1.61, 1.59, 1.60, 1.60, 1.61], USUAL)
FIRST = [1.60, 1.59, 1.61]
SAMPLE = st.lists(st.floats(-0.2, 0.2), min_size=1, max_size=8)
SPREADS = st.builds(Spread, st.floats(1e-6, 1e-2), st.floats(0.5, 20))
MIRRORED = {"regressed": "improved", "improved": "regressed"}


def moved(values: list[float], by: float) -> list[float]:
    """Log speedups after the speedup was multiplied by 1 + `by`."""
    return [value + math.log1p(by) for value in values]


def judged(first: list[float], again: list[float], then: Then = THEN, comparisons: int = 168) -> Judgement:
    return judge(first, again, then, TOLERANCE, comparisons)


def test_unchanged_is_ok() -> None:
    assert judged(FIRST, []).kind == "ok"


def test_a_clear_loss_that_was_measured_again_is_regressed() -> None:
    found = judged(moved(FIRST, -0.10), moved(FIRST * 4, -0.10))
    assert found.kind == "regressed"
    assert found.change is not None
    assert found.change.ratio == pytest.approx(0.90, abs=0.01)
    assert "sure at over 99.999 % that it changed" in found.reason


def test_a_clear_gain_that_was_measured_again_is_improved_and_makes_the_baseline_stale() -> None:
    found = judged(moved(FIRST, 0.12), moved(FIRST * 4, 0.12))
    assert found.kind == "improved"
    assert "the baseline is stale" in found.reason


def test_a_clear_loss_is_inconclusive_until_it_is_measured_again() -> None:
    first = moved(FIRST, -0.20)
    found = judged(first, [])
    assert found.kind == "inconclusive"


def test_a_loss_that_the_second_measurement_does_not_show_is_no_regression() -> None:
    assert judged(moved(FIRST, -0.30), FIRST * 4).kind != "regressed"


def test_a_loss_within_the_tolerance_is_ok_however_sure() -> None:
    exact = Then([1.6] * 50, Spread(1e-10, 20))
    assert judged(moved([1.6] * 50, -0.009), moved([1.6] * 50, -0.009), exact).kind == "ok"


def test_a_wide_interval_is_inconclusive_and_says_what_would_settle_it() -> None:
    noisy = Then([1.5, 1.6, 1.7, 1.55, 1.62, 1.63] * 12, Spread(0.06**2, 10))
    found = judged([1.5, 1.7, 1.6], [], noisy)
    assert found.kind == "inconclusive"
    assert "a change by 5% cannot be excluded" in found.reason
    assert found.needed is not None
    assert found.needed > 3


def test_a_baseline_with_too_few_invocations_cannot_be_made_up_for() -> None:
    found = judged([1.5, 1.7, 1.6], [], Then([1.6], Spread(0.06**2, 10)))
    assert (found.kind, found.needed) == ("inconclusive", None)


def test_one_invocation_each_and_no_prior_says_nothing() -> None:
    found = judged([1.6], [], Then([1.6], NO_PRIOR))
    assert (found.kind, found.needed) == ("inconclusive", None)
    assert found.change is not None
    assert found.change.interval() == (0.0, math.inf)


def test_a_published_figure_has_no_error_of_its_own() -> None:
    first = [1.60, 1.62, 1.58, 1.60]
    measured, published = (
        change_from(Then([1.6], NO_PRIOR), first),
        change_from(Then([1.6], NO_PRIOR, exact=True), first),
    )
    assert published.error == pytest.approx(measured.error / math.sqrt(5))


@given(SAMPLE, SPREADS)
def test_no_data_is_never_ok(sample: list[float], spread: Spread) -> None:
    assert judge([], sample, Then(sample, spread), TOLERANCE, 1).kind == "invalid"
    assert judge(sample, [], Then([], spread), TOLERANCE, 1).kind == "no-baseline"


@given(SAMPLE, st.lists(st.floats(-0.2, 0.2), max_size=8), SAMPLE, SPREADS, st.floats(-3, 3))
def test_a_machine_that_is_slower_throughout_changes_no_verdict(
    first: list[float], again: list[float], then: list[float], spread: Spread, shift: float
) -> None:
    """Latencies times a constant: native's and the variant's ratio is what it was; and both samples may shift."""
    before = judge(first, again, Then(then, spread), TOLERANCE, 100)
    after = judge(
        [x + shift for x in first], [x + shift for x in again], Then([x + shift for x in then], spread), TOLERANCE, 100
    )
    assert before.change is not None
    margins = [before.change.confidence_of_loss(0.01), before.change.confidence_of_gain(0.01)]
    assume(all(abs(margin - level) > 1e-6 for margin in margins for level in (0.95, 0.9999)))
    assume(all(abs(abs(math.log(edge)) - 0.051293) > 1e-6 for edge in before.change.interval() if 0 < edge < math.inf))
    assert after.kind == before.kind


@given(SAMPLE, st.lists(st.floats(-0.2, 0.2), max_size=8), SAMPLE, SPREADS)
def test_swapping_the_roles_of_control_and_candidate_mirrors_the_verdict(
    first: list[float], again: list[float], then: list[float], spread: Spread
) -> None:
    found = judge(first, again, Then(then, spread), TOLERANCE, 100)
    mirror = judge([-x for x in first], [-x for x in again], Then([-x for x in then], spread), TOLERANCE, 100)
    assert mirror.kind == MIRRORED.get(found.kind, found.kind)


@given(SAMPLE, SAMPLE, SPREADS)
def test_swapping_now_and_then_turns_the_change_around(now: list[float], then: list[float], spread: Spread) -> None:
    forth, back = change_from(Then(then, spread), now), change_from(Then(now, spread), then)
    assert forth.log_ratio == pytest.approx(-back.log_ratio, abs=1e-12)
    assert forth.error == pytest.approx(back.error)


@given(st.integers(0, 10**6), st.integers(2, 6), st.integers(2, 6))
def test_more_data_never_widens_the_interval_in_expectation(seed: int, now: int, then: int) -> None:
    draw = random.Random(seed)

    def width(size: int) -> float:
        widths = []
        for _ in range(150):
            sample = [draw.gauss(0, 0.01) for _ in range(size)]
            low, high = change_from(Then([draw.gauss(0, 0.01) for _ in range(then)], NO_PRIOR), sample).interval()
            widths.append(math.log(high / low))
        return statistics.fmean(widths)

    assert width(2 * now) < width(now)


@given(SAMPLE, SAMPLE, SAMPLE, SPREADS)
def test_more_comparisons_never_make_an_alarm(
    first: list[float], again: list[float], then: list[float], spread: Spread
) -> None:
    few = judge(first, again, Then(then, spread), TOLERANCE, 1).kind
    many = judge(first, again, Then(then, spread), TOLERANCE, 1000).kind
    assert many in {few, "inconclusive"}


def test_the_budget_that_is_named_settles_it() -> None:
    then = [0.0, 0.08] * 15
    found = judge([0.0, 0.08, 0.04], [], Then(then, NO_PRIOR), Tolerance(0.01, 0.04), 1)
    assert found.change is not None
    assert found.needed is not None
    degrees = found.change.degrees
    variance = found.change.error**2 / (1 / 3 + 1 / 30)

    def half_width(invocations: int) -> float:
        return float(stdtrit(degrees, 0.975)) * math.sqrt(variance * (1 / invocations + 1 / 30))

    assert half_width(found.needed) <= -math.log(0.96) / 2 < half_width(found.needed - 1)


def test_the_budget_of_what_seems_beyond_its_tolerance_is_what_takes_it_off_the_tolerance() -> None:
    found = settle([-0.015, 0.005, -0.035], NO_PRIOR, TOLERANCE, 168)
    assert found.kind == "inconclusive"
    assert found.change is not None
    assert found.change.log_ratio == pytest.approx(-0.015)
    assert found.needed is not None
    distance = 0.015 + math.log(0.99)
    assert float(stdtrit(2, 0.975)) * 0.02 / math.sqrt(found.needed) <= distance


def test_side_by_side_needs_no_confirmation() -> None:
    assert settle([-0.06, -0.05, -0.055, -0.05, -0.06], USUAL, TOLERANCE, 168).kind == "regressed"
    assert settle([0.06, 0.05, 0.055, 0.05, 0.06], USUAL, TOLERANCE, 168).kind == "improved"
    assert settle([0.001, -0.002, 0.003, 0.0, -0.001], USUAL, TOLERANCE, 168).kind == "ok"
    assert settle([-0.06], NO_PRIOR, TOLERANCE, 168).kind == "inconclusive"


def test_side_by_side_a_loss_within_the_tolerance_is_ok_however_sure() -> None:
    assert settle([-0.009] * 40, Spread(1e-10, 20), TOLERANCE, 1).kind == "ok"


@given(SAMPLE, SPREADS)
def test_side_by_side_swapping_the_roles_mirrors_the_verdict(sample: list[float], spread: Spread) -> None:
    found = settle(sample, spread, TOLERANCE, 100).kind
    assert settle([-x for x in sample], spread, TOLERANCE, 100).kind == MIRRORED.get(found, found)


@given(SAMPLE, SPREADS)
def test_side_by_side_is_the_limit_of_an_exact_baseline(sample: list[float], spread: Spread) -> None:
    exact, beside = change_from(Then([0.0], spread, exact=True), sample), change_beside(sample, spread)
    assert exact.log_ratio == pytest.approx(beside.log_ratio)
    assert exact.degrees == beside.degrees
    assert exact.error == pytest.approx(beside.error)


def nights(effect: float, drift: float, count: int, comparisons: int) -> Counter[str]:
    """Verdicts of simulated nights: normal invocations with a spread of 1.2 %, 8 in the baseline, 3 first, up to 16
    side by side; between baseline and night the machine drifts by a normal share of the speedup.
    """
    draw = random.Random(20190713)
    spread = Spread(0.012**2, 10)
    kinds: Counter[str] = Counter()
    for _ in range(count * comparisons):
        moved_by = effect + draw.gauss(0, drift)
        then = Then([draw.gauss(0, 0.012) for _ in range(8)], spread)
        first = [draw.gauss(moved_by, 0.012) for _ in range(3)]
        kind = judge(first, [], then, WIDER, comparisons).kind
        if kind == "inconclusive":
            beside: list[float] = []
            for _ in range(LOOKS):
                beside += [draw.gauss(effect, 0.012) for _ in range(4)]
                kind = settle(beside, spread, WIDER, comparisons).kind
                if kind != "inconclusive":
                    break
        kinds[kind] += 1
    return kinds


@pytest.mark.parametrize("drift", [0.0, 0.03])
def test_neither_noise_nor_drift_raises_an_alarm(drift: float) -> None:
    kinds = nights(0.0, drift, count=50, comparisons=168)
    assert kinds["regressed"] == kinds["improved"] == 0


def test_a_loss_of_a_twentieth_is_found() -> None:
    kinds = nights(math.log(1 / 1.05), 0.0, count=3, comparisons=168)
    assert kinds["regressed"] > 0.97 * kinds.total()
    assert kinds["ok"] == 0
