"""The sum of several changes, and when it is a loss: errors add up, and unchanged cases raise few alarms."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.judge.change import Change, change_between_sessions, change_side_by_side, sum_of_changes
from perf.judge.judgement import RUN_ERROR, Tolerance, judge_sum
from perf.judge.speedup import ObservedRatio
from perf.judge.variance_prior import VariancePrior
from tests.unit.judge.samples import OBSERVED, PRIORS, SAMPLE, USUAL
from tests.unit.judge.test_promises import NONE, at_most, own_sd

TOLERANCE = Tolerance(change=0.02, resolution=0.05)


@given(st.lists(SAMPLE, min_size=1, max_size=6), PRIORS)
def test_the_sum_adds_estimates_and_squared_errors(samples: list[list[float]], prior: VariancePrior) -> None:
    changes = [change_side_by_side(values, prior) for values in samples]
    total = sum_of_changes(changes)
    assert total.log_ratio == pytest.approx(sum(change.log_ratio for change in changes))
    assert total.error**2 == pytest.approx(sum(change.error**2 for change in changes))


@given(OBSERVED, OBSERVED, SAMPLE)
def test_the_variance_between_sessions_stays_a_part_of_its_own(
    now: ObservedRatio, then: ObservedRatio, values: list[float]
) -> None:
    between = change_between_sessions(now, then, USUAL, USUAL)
    total = sum_of_changes([between, change_side_by_side(values, USUAL)])
    assert total.parts[0] == between.parts[0]
    assert total.parts[1].degrees <= min(between.parts[1].degrees, USUAL.degrees + len(values) - 1)


def test_a_sum_with_an_unknown_change_is_unknown() -> None:
    total = sum_of_changes([Change(-0.5, ()), change_side_by_side([0.01, 0.02], USUAL)])
    assert not total.known
    assert judge_sum(total, TOLERANCE, 1).kind == "ok"


@pytest.mark.parametrize(("steps", "kind"), [(1, "ok"), (2, "ok"), (5, "regressed")])
def test_losses_within_the_tolerance_add_up_to_a_loss(steps: int, kind: str) -> None:
    step = change_side_by_side([-0.0105, -0.0095, -0.01, -0.01], USUAL)
    assert judge_sum(sum_of_changes([step] * steps), TOLERANCE, 20).kind == kind


def test_a_gain_is_not_a_loss() -> None:
    assert judge_sum(change_side_by_side([0.5, 0.51, 0.49], USUAL), TOLERANCE, 1).kind == "ok"


@pytest.mark.parametrize("steps", [2, 6])
def test_one_unchanged_case_in_a_hundred_is_a_loss(steps: int) -> None:
    draw, count = random.Random(1), 3000
    losses = 0
    for _ in range(count):
        sd = own_sd(draw, USUAL)
        changes = [change_side_by_side([draw.gauss(0, sd) for _ in range(4)], USUAL) for _ in range(steps)]
        losses += judge_sum(sum_of_changes(changes), NONE, 1).kind == "regressed"
    assert losses <= at_most(RUN_ERROR, count)
