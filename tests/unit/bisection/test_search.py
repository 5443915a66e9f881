"""The search: every first slower wheel is located, in as few comparisons as promised, and never a wrong one."""

from collections.abc import Collection, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.bisection.search import Answer, Bracket, bracket_of, next_wheel

COUNTS = st.integers(2, 200)


def most(count: int) -> int:
    """The promised number of decided comparisons: ceil(log2(count - 1)) + 1."""
    return (count - 2).bit_length() + 1


def answers_to(count: int, first_slower: int, undecided: Collection[int] = ()) -> Mapping[int, Answer]:
    """All answers of a bisection in which the wheels from `first_slower` on are slower."""
    answers: dict[int, Answer] = {}
    while (wheel := next_wheel(count, answers)) is not None:
        assert wheel not in answers
        assert 0 < wheel < count
        answers[wheel] = "undecided" if wheel in undecided else "slower" if wheel >= first_slower else "not slower"
    return answers


@pytest.mark.parametrize("count", range(2, 40))
def test_every_position_is_located_within_the_promised_number_of_comparisons(count: int) -> None:
    for first_slower in range(1, count):
        answers = answers_to(count, first_slower)
        assert bracket_of(count, answers) == Bracket(first_slower - 1, first_slower)
        assert len(answers) <= most(count)


@given(COUNTS, st.data())
def test_undecided_wheels_never_lead_to_a_wrong_answer(count: int, data: st.DataObject) -> None:
    first_slower = data.draw(st.integers(1, count - 1))
    undecided = data.draw(st.sets(st.integers(1, count - 1)))
    answers = answers_to(count, first_slower, undecided)
    bracket = bracket_of(count, answers)
    assert (bracket is None) == (count - 1 in undecided)
    if bracket is None:
        assert len(answers) == 1
        return
    assert bracket.low < first_slower <= bracket.high
    assert undecided.issuperset(range(bracket.low + 1, bracket.high)), "a wheel in the bracket was left out"
    assert bracket.located == (first_slower == bracket.high and first_slower - 1 == bracket.low)
    decided = [wheel for wheel, answer in answers.items() if answer != "undecided"]
    assert len(decided) <= most(count)


@given(COUNTS, st.data())
def test_whatever_the_answers_the_bracket_lies_between_opposite_ones(count: int, data: st.DataObject) -> None:
    """Wheels that become slower, faster and slower again: the answer is one of those changes."""
    slower = data.draw(st.sets(st.integers(1, count - 1))) | {count - 1}
    answers: dict[int, Answer] = {}
    while (wheel := next_wheel(count, answers)) is not None:
        answers[wheel] = "slower" if wheel in slower else "not slower"
    bracket = bracket_of(count, answers)
    assert bracket is not None
    assert bracket.located
    assert bracket.high in slower
    assert bracket.low not in slower


@pytest.mark.parametrize("answer", ["not slower", "undecided"])
def test_nothing_is_searched_for_unless_the_last_wheel_is_slower(answer: Answer) -> None:
    assert next_wheel(8, {}) == 7
    assert next_wheel(8, {7: answer}) is None
    assert bracket_of(8, {7: answer}) is None
