"""The times of training steps: each kind by its fastest quarter, and what differs between kinds."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.measure.workers.runner import StepTimes
from perf.profile.arms import ArmProfile
from perf.profile.explain import REST, STEP_OVERHEAD, explanation_of
from perf.profile.steps import ALLREDUCE, COMPUTING, NODES, WAITING, times_of

MS = 1e6
durations = st.floats(0.1, 100.0)


def turn(
    allreduce_ms: float = 5.0, waiting_ms: float = 1.0, backward_ms: float = 20.0, extra_ms: float = 0.0
) -> StepTimes:
    """Two steps of each kind, the second of them disturbed."""
    alone = 10.0 + backward_ms + 2.0 + 0.5 + extra_ms
    slowest = alone + waiting_ms
    whole = slowest + allreduce_ms
    return StepTimes(
        whole_ns=(whole * MS, 2 * whole * MS),
        slowest_ns=(slowest * MS, 3 * slowest * MS),
        alone_ns=(alone * MS, 2 * alone * MS),
        parts_ns=((10.0 * MS, backward_ms * MS, 2.0 * MS), (40.0 * MS, backward_ms * MS, 9.0 * MS)),
        overhead_ns=((0.5 + extra_ms) * MS, 7.0 * MS),
    )


def profiled(*turns: StepTimes, ranks: int = 2) -> ArmProfile:
    """The profile of a job whose invocations, one for each turn, showed these times."""
    times = [times_of([one], ranks) for one in turns]
    return ArmProfile([node for node in NODES if node.name in times[0].operators_ms], {}, 1, times, "step")


@given(durations, durations, durations)
def test_the_parts_of_a_step_sum_up_to_it(allreduce_ms: float, waiting_ms: float, backward_ms: float) -> None:
    times = times_of([turn(allreduce_ms, waiting_ms, backward_ms)] * 3, 2)
    assert times.operators_ms[ALLREDUCE] == pytest.approx(allreduce_ms)
    assert times.operators_ms[WAITING] == pytest.approx(waiting_ms)
    assert times.operators_ms["backward"] == pytest.approx(backward_ms)
    assert sum(times.operators_ms.values()) + times.overhead_ms == pytest.approx(times.pass_ms)


@given(durations, durations, st.floats(0.0, 9.0))
def test_injected_work_is_part_of_the_overhead_only(allreduce_ms: float, waiting_ms: float, extra: float) -> None:
    """Work is injected after a step for a fraction of it, with or without communication."""
    plain = turn(allreduce_ms, waiting_ms)

    def scaled(times_ns: tuple[float, ...]) -> tuple[float, ...]:
        return tuple((1 + extra) * ns for ns in times_ns)

    overhead_ns = tuple(
        (1 + extra) * ns + extra * sum(parts) for ns, parts in zip(plain.overhead_ns, plain.parts_ns, strict=True)
    )
    longer = replace(
        plain,
        whole_ns=scaled(plain.whole_ns),
        slowest_ns=scaled(plain.slowest_ns),
        alone_ns=scaled(plain.alone_ns),
        overhead_ns=overhead_ns,
    )
    then, now = times_of([plain], 2), times_of([longer], 2, extra)
    assert now.operators_ms == pytest.approx(then.operators_ms)
    assert now.overhead_ms - then.overhead_ms == pytest.approx(extra * then.pass_ms)


def test_one_rank_neither_exchanges_nor_waits() -> None:
    assert list(times_of([turn(allreduce_ms=0.0, waiting_ms=0.0)], 1).operators_ms) == list(COMPUTING)


def test_a_slower_link_is_the_only_culprit() -> None:
    then = profiled(*[turn(5.0 + noise) for noise in (0.0, 0.01, 0.02, 0.03)])
    now = profiled(*[turn(50.0 + noise) for noise in (0.02, 0.0, 0.03, 0.01)])
    explanation = explanation_of(now, then, 1.0)
    assert (explanation.unit, explanation.culprits) == ("step", 1)
    assert explanation.layers[0].name == ALLREDUCE
    assert explanation.accounted == pytest.approx(1.0)
    assert STEP_OVERHEAD in [layer.name for layer in explanation.layers]
    assert not explanation.notes


def test_work_that_is_injected_between_the_parts_is_the_overhead() -> None:
    then = profiled(*[turn(backward_ms=20.0 + noise) for noise in (0.0, 0.01, 0.02, 0.03)])
    now = profiled(*[turn(backward_ms=20.0 + noise, extra_ms=6.0) for noise in (0.02, 0.0, 0.03, 0.01)])
    assert explanation_of(now, then, 1.0).layers[0].name == STEP_OVERHEAD


def test_parts_that_do_not_sum_up_to_a_step_are_said_not_to() -> None:
    whole = StepTimes((100 * MS,), (95 * MS,), (95 * MS,), ((20 * MS, 40 * MS, 5 * MS),), (0.0,))
    explanation = explanation_of(profiled(whole), None, 1.0)
    assert explanation.layers[1].name == REST
    assert explanation.notes == ("30 % of a step is neither in one of its parts nor between them",)
    slower = StepTimes((80 * MS,), (80 * MS,), (80 * MS,), ((30 * MS, 60 * MS, 10 * MS),), (0.0,))
    (note,) = explanation_of(profiled(slower), None, 1.0).notes
    assert note.startswith("one after the other, its parts take 25 % longer than in a step")
