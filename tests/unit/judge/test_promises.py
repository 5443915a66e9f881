"""What judgements promise, tested where the truth is known: how often alarms are false, which losses are detected."""

import math
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perf.judge.judgement import (
    MAX_EVALUATIONS,
    RUN_ERROR,
    Judgement,
    Tolerance,
    VerdictKind,
    judge_drift,
    judge_side_by_side,
)
from perf.judge.power import POWER
from perf.judge.speedup import ObservedRatio, observe
from perf.judge.variance_prior import VariancePrior
from tests.unit.judge.samples import MAYBE_PRIORS, OBSERVED, PRIORS, SAMPLE, SESSIONS, USUAL, of_values

pytestmark = pytest.mark.slow
TOLERANCE = Tolerance(change=0.01, resolution=0.05)
# So narrow that only the level of the run decides about an alarm.
NONE = Tolerance(change=1e-9, resolution=0.05)
COMPARISONS = st.sampled_from([1, 20, 168])
# Priors as they are assumed: few degrees of freedom, so variances differ much between cases.
FEW_DEGREES = VariancePrior(variance=0.02**2, degrees=4)
SESSIONS_FEW = VariancePrior(variance=0.02**2, degrees=4)
WITHIN_FEW = VariancePrior(variance=0.05**2, degrees=4)


def side_by_side(values: list[float], prior: VariancePrior = USUAL, comparisons: int = 168) -> Judgement:
    return judge_side_by_side(values, prior, TOLERANCE, comparisons)


# The stated losses


@given(SAMPLE, PRIORS, COMPARISONS)
def test_side_by_side_twice_as_many_invocations_never_raise_the_smallest_loss(
    values: list[float], prior: VariancePrior, comparisons: int
) -> None:
    judgement = side_by_side(values, prior, comparisons)
    assert judgement.smallest_loss is not None
    assert judgement.with_twice is not None
    assert judgement.with_twice <= judgement.smallest_loss


@given(OBSERVED, OBSERVED, MAYBE_PRIORS, MAYBE_PRIORS, COMPARISONS)
def test_twice_as_many_invocations_never_raise_the_smallest_drift(
    now: ObservedRatio, then: ObservedRatio, within: VariancePrior, sessions: VariancePrior, comparisons: int
) -> None:
    judgement = judge_drift(now, then, within, sessions, TOLERANCE, comparisons)
    if judgement.smallest_loss is not None:
        assert judgement.with_twice is not None
        assert judgement.with_twice <= judgement.smallest_loss


@settings(max_examples=20)  # of 640 samples each
@given(st.integers(0, 10**6), st.integers(1, 8), COMPARISONS)
def test_more_invocations_side_by_side_lower_the_smallest_loss_on_average(
    seed: int, count: int, comparisons: int
) -> None:
    draw = random.Random(seed)

    def average(invocations: int) -> float:
        samples = [[draw.gauss(0, 0.01) for _ in range(invocations)] for _ in range(40)]
        return sum(side_by_side(values, USUAL, comparisons).smallest_loss or 1 for values in samples) / 40

    assert average(2 * count) < average(count)


# How often verdicts are wrong


@contextmanager
def unstated() -> Iterator[None]:
    """Judge without stating the smallest loss, which takes nine tenths of the time and decides nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("perf.judge.judgement.smallest_loss", lambda *_: None)
        yield


def at_most(probability: float, count: int) -> float:
    """Return how many of `count` events happen at most, each with this probability, in all but one of 1000 seeds."""
    return probability * count + 3 * math.sqrt(probability * count)


def own_sd(draw: random.Random, prior: VariancePrior) -> float:
    """Draw the standard deviation of one case from the prior of all cases."""
    return math.sqrt(prior.variance * prior.degrees / draw.gammavariate(prior.degrees / 2, 2))


def evaluated(prior: VariancePrior, draw: random.Random, comparisons: int) -> VerdictKind:
    """Return the verdict on an unchanged case that is remeasured until it is decided."""
    sd, values = own_sd(draw, prior), list[float]()
    kind: VerdictKind = "inconclusive"
    for _ in range(MAX_EVALUATIONS):
        values += [draw.gauss(0, sd) for _ in range(3)]
        kind = judge_side_by_side(values, prior, NONE, comparisons).kind
        if kind != "inconclusive":
            break
    return kind


class Sessions:
    """Sessions of one case, of four invocations each, with variances drawn from their priors."""

    def __init__(self, draw: random.Random, within: VariancePrior, between: VariancePrior) -> None:
        self._draw = draw
        self._within = own_sd(draw, within)
        self._between = own_sd(draw, between)

    def session(self, log_speedup: float = 0.0) -> ObservedRatio:
        own = self._draw.gauss(log_speedup, self._between)
        return of_values([self._draw.gauss(own, self._within) for _ in range(4)])


def judged_again(within: VariancePrior, between: VariancePrior, draw: random.Random, comparisons: int) -> VerdictKind:
    """Return the verdict on a case of an unchanged stack in a new session."""
    case = Sessions(draw, within, between)
    return judge_drift(case.session(), case.session(), within, between, NONE, comparisons).kind


def fastest_slots(draw: random.Random) -> ObservedRatio:
    """Return a session from the fastest of ten slots of each invocation; noise only ever adds time."""
    own = math.exp(draw.gauss(1.6, math.sqrt(SESSIONS.variance)))

    def fastest(latency: float) -> float:
        return latency * (1 + min(draw.expovariate(1 / 0.05) for _ in range(10)))

    return observe([(fastest(own), fastest(1.0)) for _ in range(4)])


VERDICTS: dict[str, Callable[[random.Random, int], VerdictKind]] = {
    "side by side": lambda draw, comparisons: evaluated(USUAL, draw, comparisons),
    "side by side, few degrees": lambda draw, comparisons: evaluated(FEW_DEGREES, draw, comparisons),
    "sessions": lambda draw, comparisons: judged_again(USUAL, SESSIONS, draw, comparisons),
    "sessions, few degrees": lambda draw, comparisons: judged_again(WITHIN_FEW, SESSIONS_FEW, draw, comparisons),
    "fastest slots": lambda draw, comparisons: (
        judge_drift(fastest_slots(draw), fastest_slots(draw), USUAL, SESSIONS, NONE, comparisons).kind
    ),
}


@pytest.mark.parametrize(
    ("verdict", "comparisons"), [(name, n) for name in VERDICTS for n in (1, 20) if n == 1 or "side" in name]
)
def test_one_unchanged_run_in_a_hundred_raises_an_alarm(verdict: str, comparisons: int) -> None:
    draw, runs = random.Random(20190713), 1000 // comparisons
    alarms = 0
    for _ in range(runs):
        with unstated():
            kinds = {VERDICTS[verdict](draw, comparisons) for _ in range(comparisons)}
        alarms += not kinds.isdisjoint({"regressed", "drifted"})
    assert alarms <= at_most(RUN_ERROR, runs)


@pytest.mark.parametrize("comparisons", [1, 168])
@pytest.mark.parametrize(("invocations", "prior"), [(3, USUAL), (12, USUAL), (3, FEW_DEGREES), (4, FEW_DEGREES)])
def test_side_by_side_losses_of_the_stated_size_are_detected_as_often_as_stated(
    invocations: int, prior: VariancePrior, comparisons: int
) -> None:
    draw, count, called = random.Random(1), 1000, 0
    for _ in range(count):
        sd = own_sd(draw, prior)

        def measured(log_loss: float, sd: float = sd) -> Judgement:
            return side_by_side([draw.gauss(log_loss, sd) for _ in range(invocations)], prior, comparisons)

        loss = measured(0.0).smallest_loss or 0
        with unstated():
            called += measured(math.log1p(-loss)).kind == "regressed"
    # Three standard errors of the count, and one hundredth for the draws behind the stated loss.
    assert called / count == pytest.approx(POWER, abs=3 * math.sqrt(POWER * (1 - POWER) / count) + 0.01)


@pytest.mark.parametrize("comparisons", [1, 168])
@pytest.mark.parametrize(("within", "between"), [(USUAL, SESSIONS), (WITHIN_FEW, SESSIONS_FEW)])
def test_drifts_of_the_stated_size_are_detected_as_often_as_stated(
    within: VariancePrior, between: VariancePrior, comparisons: int
) -> None:
    draw, count, called = random.Random(1), 300, 0
    for _ in range(count):
        case = Sessions(draw, within, between)
        then = case.session()

        def judged(log_loss: float, case: Sessions = case, then: ObservedRatio = then) -> Judgement:
            return judge_drift(case.session(log_loss), then, within, between, TOLERANCE, comparisons)

        loss = judged(0.0).smallest_loss or 0
        with unstated():
            called += judged(math.log1p(-loss)).kind == "drifted"
    # Three standard errors of the count, and one hundredth for the approximation.
    assert called / count >= POWER - 3 * math.sqrt(POWER * (1 - POWER) / count) - 0.01
