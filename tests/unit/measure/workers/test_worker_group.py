"""Which passes count when several instances run at once."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from perf.measure.workers.worker_group import overlapping

Passes = list[tuple[int, int]]


@st.composite
def passes(draw: st.DrawFn) -> Passes:
    """One instance's passes, one after the other, with gaps."""
    now = draw(st.integers(0, 3000))
    made = []
    for gap, duration in draw(st.lists(st.tuples(st.integers(0, 300), st.integers(1, 1000)), min_size=1, max_size=8)):
        made.append((now + gap, now + gap + duration))
        now += gap + duration
    return made


@given(passes())
def test_one_instance_alone_counts_every_pass(alone: Passes) -> None:
    assert overlapping([alone]) == (tuple(end - start for start, end in alone),)


@given(st.lists(passes(), min_size=2, max_size=3))
def test_passes_inside_the_common_time_count_and_those_outside_do_not(instances: list[Passes]) -> None:
    opens = max(instance[0][0] for instance in instances)
    closes = min(instance[-1][1] for instance in instances)
    for instance, counted in zip(instances, overlapping(instances), strict=True):
        inside = Counter(end - start for start, end in instance if opens <= start and end <= closes)
        touching = Counter(end - start for start, end in instance if end > opens and start < closes)
        assert inside <= Counter(counted) <= touching


@given(passes(), st.integers(1, 4))
def test_instances_that_ran_at_the_same_time_count_all_passes(alike: Passes, instances: int) -> None:
    assert overlapping([alike] * instances) == overlapping([alike]) * instances


def test_a_pass_counts_with_up_to_one_percent_of_it_outside() -> None:
    waiting = [(100, 300), (300, 10_000)]
    assert overlapping([waiting, [(99, 199), (199, 10_000)]])[1] == (100, 9801)
    assert overlapping([waiting, [(98, 198), (198, 10_000)]])[1] == (9802,)


def test_instances_that_never_ran_together_count_no_pass() -> None:
    assert overlapping([[(0, 10)], [(20, 30)]]) == ((), ())
