"""Steps and creep: noticed where they are, whatever the level and the scale, and hardly ever where nothing changed."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.judge.regression import SLOPE, Observed, scale_of
from perf.judge.steps import NIGHT_ERROR, SeriesChanges, find_changes, raises_alarm
from perf.judge.variance_prior import VariancePrior

SCALE = VariancePrior(1.0, 10.0)
LEVEL = NIGHT_ERROR / 168
SD = 0.01

seeds = st.integers(0, 10_000)


def noise(seed: int, nights: int = 40, sd: float = SD) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.random.default_rng(seed).normal(0, sd, nights)


def changes(values: Sequence[float], machine: Sequence[float] | None = None, *, sd: float = SD) -> SeriesChanges:
    return find_changes(Observed.of(values, [sd**2] * len(values), machine), SCALE, LEVEL)


def places(result: SeriesChanges) -> list[tuple[str, int, int]]:
    return [(point.kind, point.first, point.noticed) for point in result.points]


def stepped(seed: int, first: int, by: float, nights: int = 40) -> list[float]:
    return [value + (by if night >= first else 0.0) for night, value in enumerate(noise(seed, nights))]


@given(seeds, st.integers(10, 35), st.sampled_from([-0.08, 0.08]))
def test_a_step_is_noticed_within_three_nights_where_it_is(seed: int, first: int, by: float) -> None:
    (point, *_) = changes(stepped(seed, first, by)).points
    assert point.kind == "step"
    assert abs(point.first - first) <= 1
    assert point.noticed <= first + 2
    assert point.change.log_ratio == pytest.approx(by, abs=0.04)


def test_the_nights_after_an_alarm_say_when_the_change_was() -> None:
    # Two high nights before the step: together with its first night they raise the alarm.
    values = stepped(29, 29, 0.08)
    assert places(changes(values[:30])) == [("step", 27, 29)]
    assert places(changes(values))[0] == ("step", 29, 29)


@given(seeds)
def test_a_creep_is_noticed_within_fourteen_nights(seed: int) -> None:
    values = [value - 0.005 * max(0, night - 24) for night, value in enumerate(noise(seed))]
    (point, *_) = changes(values).points
    assert 25 <= point.noticed < 25 + 14
    assert changes(values).net.log_ratio < -0.03


@given(st.integers(1, 60), st.floats(-3, 3))
def test_equal_nights_do_not_change(nights: int, level: float) -> None:
    assert changes([level] * nights).points == ()


@given(seeds, st.floats(-5, 5))
def test_the_level_does_not_matter(seed: int, level: float) -> None:
    values = stepped(seed, 25, -0.06)
    moved, stayed = changes([value + level for value in values]), changes(values)
    assert places(moved) == places(stayed)
    assert moved.net.log_ratio == pytest.approx(stayed.net.log_ratio, abs=1e-9)


@given(seeds, st.floats(0.01, 100))
def test_the_unit_does_not_matter(seed: int, factor: float) -> None:
    values = stepped(seed, 25, -0.06)
    scaled, plain = changes([value * factor for value in values], sd=SD * factor), changes(values)
    assert places(scaled) == places(plain)
    assert scaled.net.log_ratio == pytest.approx(plain.net.log_ratio * factor)


@given(seeds)
def test_gains_are_noticed_like_losses(seed: int) -> None:
    values = stepped(seed, 25, -0.06)
    assert places(changes([-value for value in values])) == places(changes(values))


@given(seeds, st.integers(5, 38))
def test_what_was_noticed_stays_noticed(seed: int, nights: int) -> None:
    after = [noticed for _, _, noticed in places(changes(stepped(seed, 20, -0.06)))][:1]
    now = [noticed for _, _, noticed in places(changes(stepped(seed, 20, -0.06)[:nights]))][:1]
    assert now == [noticed for noticed in after if noticed < nights]


@pytest.mark.parametrize("by", [-0.1, -0.5, 10.0])
def test_one_odd_night_is_hardly_ever_a_step(by: float) -> None:
    alarms = 0
    for seed in range(200):
        values = noise(seed)
        values[3 + seed % 37] += by
        alarms += bool(changes(list(values)).points)
    assert alarms <= 12


def test_a_step_that_was_made_up_for_leaves_no_net_change() -> None:
    values = [-0.08 if 20 <= night < 30 else 0.0 for night in range(40)]
    result = changes([value + own for value, own in zip(values, noise(1), strict=True)])
    assert [(kind, first) for kind, first, _ in places(result)] == [("step", 20), ("step", 30)]
    assert [point.change.log_ratio < 0 for point in result.points] == [True, False]
    assert abs(result.net.log_ratio) < 0.01


def test_two_small_steps_add_up() -> None:
    values = [-0.03 * (night >= 20) - 0.03 * (night >= 40) for night in range(60)]
    result = changes([value + own / 2 for value, own in zip(values, noise(1, 60), strict=True)])
    assert len(result.points) == 2
    assert result.net.log_ratio == pytest.approx(-0.06, abs=0.01)
    low, high = result.net.interval()
    assert low < math.exp(-0.06) < high


def test_a_loss_of_the_first_nights_shows_against_an_anchor_only() -> None:
    values = [0.0, *(noise(1, 10) - 0.06)]
    assert changes(values[1:]).points == ()
    variances = [SD**2 / 10, *[SD**2] * 10]
    anchored = find_changes(Observed.of(values, variances), SCALE, LEVEL, anchored=True)
    assert places(anchored)[0][:2] == ("step", 1)
    assert anchored.net.log_ratio == pytest.approx(-0.06, abs=0.02)


@pytest.mark.parametrize("nights", [4, 6, 20, 40])
@pytest.mark.parametrize("degrees", [3, 20])
@pytest.mark.parametrize("machine", ["unknown", "steady", "restless", "changed"])
def test_flat_series_raise_alarms_no_more_often_than_stated(nights: int, degrees: int, machine: str) -> None:
    random = np.random.default_rng(nights)
    series, level = 40_000, 0.01
    states = {
        "unknown": np.zeros((series, nights)),
        "steady": random.normal(0, 0.003, (series, nights)),
        "restless": random.normal(0, 0.3, (series, nights)),
        "changed": np.broadcast_to(0.7 * (np.arange(nights) >= nights // 2), (series, nights)),
    }[machine]
    # The true scale of each series varies as its prior says, and so does the slope.
    slopes = random.normal(0, SLOPE, (series, 1))
    variances = np.broadcast_to(SD**2 * random.chisquare(degrees, (series, 1)) / degrees, (series, nights))
    values = random.normal(0, SD, (series, nights)) + slopes * states
    observed = Observed(values, variances, None if machine == "unknown" else states)
    alarms = raises_alarm(observed, VariancePrior(1.0, degrees), level).sum()
    assert alarms <= series * level + 3 * math.sqrt(series * level)
    if machine != "changed":  # which explains each step that began when it changed
        assert alarms >= series * level / 10, "the correction for the search costs too much"


@given(seeds, st.integers(8, 30), st.floats(-0.2, 0.2))
def test_a_change_of_the_machine_that_the_reference_shows_is_no_change(seed: int, first: int, slope: float) -> None:
    machine = np.where(np.arange(40) >= first, -0.7, 0.0) + noise(seed + 1, sd=0.003)
    values = noise(seed) + slope * machine
    assert changes(list(values), list(machine)).points == ()


def test_a_noisier_series_needs_a_larger_step() -> None:
    values = [value * 5 - 0.05 * (night >= 20) for night, value in enumerate(noise(3))]
    assert changes(values).points == ()


@given(seeds, st.floats(0.1, 10))
def test_the_scale_is_estimated_whatever_changed(seed: int, factor: float) -> None:
    values = noise(seed, 400) * math.sqrt(factor) - 0.03 * (np.arange(400) >= 200) - 0.0001 * np.arange(400)
    scale, degrees = scale_of(list(values), [SD**2] * 400)
    assert scale == pytest.approx(factor, rel=0.5)
    assert degrees == pytest.approx(2 / 3 * 399, rel=0.01)


def test_one_night_has_no_scale() -> None:
    assert scale_of([1.0], [1.0]) == (0.0, 0.0)
