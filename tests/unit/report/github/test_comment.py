"""The comment on a pull request: edited in place, silent without news, unconfirmed until a second run agrees."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perf.report.github.comment import MARK, MOST_REMEMBERED, CommentState, comment_of, read_state, state_of
from perf.report.github.markdown import RunLabel
from perf.report.overview import Overview, RunResult
from tests.unit.report.github.made_overviews import HOSTILE, finding, overview, rendered

FIRST = RunLabel("made-2c-1n-avx2", "quick", "2026-11-26T23:28:08+00:00")
SECOND = RunLabel("made-2c-1n-avx2", "quick", "2026-11-27T23:28:08+00:00")
ELSEWHERE = RunLabel("c5.metal", "quick", "2026-11-27T23:28:08+00:00")
REGRESSED = overview(finding())
OK = overview()


def after(overview: Overview, label: RunLabel, *earlier: tuple[Overview, RunLabel]) -> str:
    """Return the heading of the comment on a run after earlier ones; "" without a comment."""
    state: CommentState | None = None
    for one, its in earlier:
        state = read_state(comment_of(one, its, state)) or state
    text = comment_of(overview, label, state)
    return text.splitlines()[2] if text else ""


def test_a_comment_starts_with_its_hidden_line_and_can_be_read_again() -> None:
    text = comment_of(REGRESSED, FIRST, None)
    assert text.startswith(MARK)
    assert text.splitlines()[1:3] == ["", "## regressed (unconfirmed)"]
    assert read_state(text) == state_of(REGRESSED, FIRST, None)
    assert rendered(text.splitlines()[:1]).prose == ""


@pytest.mark.parametrize("result", ["ok", "not compared"])
def test_no_news_is_no_comment(result: RunResult) -> None:
    quiet = overview(result=result)
    assert comment_of(quiet, FIRST, None) == ""
    assert after(quiet, SECOND, (REGRESSED, FIRST)) == f"## {result}"
    assert after(quiet, SECOND, (REGRESSED, FIRST), (quiet, FIRST)) == ""


@pytest.mark.parametrize("result", ["improved", "incomplete", "undecided", "invalid", "drifted", "regressed"])
def test_everything_else_is_news(result: RunResult) -> None:
    assert after(overview(result=result), FIRST) == f"## {result}"


def test_the_result_before_is_named_if_it_was_another_one() -> None:
    state = state_of(REGRESSED, FIRST, None)
    assert "\nThe run before was regressed.\n" in comment_of(OK, SECOND, state)
    assert "The run before" not in comment_of(REGRESSED, SECOND, state)


def test_a_second_run_confirms_what_it_says_too() -> None:
    assert after(REGRESSED, SECOND, (REGRESSED, FIRST)) == "## regressed"
    assert after(REGRESSED, SECOND, (REGRESSED, FIRST), (OK, SECOND)) == "## regressed (unconfirmed)"


def test_the_same_run_a_machine_of_another_class_and_another_case_confirm_nothing() -> None:
    assert after(REGRESSED, FIRST, (REGRESSED, FIRST)) == "## regressed (unconfirmed)"
    assert after(REGRESSED, FIRST, (REGRESSED, ELSEWHERE)) == "## regressed (unconfirmed)"
    assert after(REGRESSED, SECOND, (overview(finding("other")), FIRST)) == "## regressed (unconfirmed)"
    assert after(REGRESSED, SECOND, (overview(finding(kind="drifted")), FIRST)) == "## regressed (unconfirmed)"


def test_a_repeated_comment_keeps_what_was_confirmed() -> None:
    assert after(REGRESSED, SECOND, (REGRESSED, FIRST), (REGRESSED, SECOND)) == "## regressed"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A comment of a person.",
        MARK + "no JSON -->",
        MARK + "{} -->",
        MARK + '{"version":1}',
        MARK + "[" * 100_000 + " -->",
        comment_of(REGRESSED, FIRST, None).replace('"version":1', '"version":2'),
        comment_of(REGRESSED, FIRST, None).replace('"result":"regressed"', '"result":"@someone"'),
    ],
)
def test_other_texts_say_nothing(text: str) -> None:
    assert read_state(text) is None


def test_a_comment_edited_on_the_page_has_other_line_ends() -> None:
    text = comment_of(REGRESSED, FIRST, None)
    assert read_state(text.replace("\n", "\r\n")) == read_state(text)


@pytest.mark.parametrize("text", HOSTILE)
def test_the_hidden_line_stays_hidden(text: str) -> None:
    label = RunLabel(text, text, text)
    comment = comment_of(REGRESSED, label, None)
    state = read_state(comment)
    assert state
    assert (state.machine_class, state.ended) == (text, text)
    assert rendered(comment.splitlines()[:1]).prose == ""
    assert "@" not in comment.splitlines()[0]


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 300), st.sampled_from(["<", "@", "|", "`", "_ ", "é", "*"]), st.integers(1, 400))
def test_a_comment_fits_60_lines_and_githubs_limit(number: int, char: str, length: int) -> None:
    names = [f"{char * length}{index}" for index in range(number)]
    worst = overview(
        *(finding(name, reason=f"{name} {char * 400}") for name in names),
        finding("last"),
        not_run=dict.fromkeys(names, char * 400),
        vanished=tuple(names),
        counts={"regressed": number + 1, "not run": number, "vanished": number},
        baseline=char * 400,
        doubts=(char * 400, char * 400),
    )
    text = comment_of(worst, FIRST, state_of(overview(result="drifted"), SECOND, None))
    assert len(text.splitlines()) <= 60
    assert len(text) <= 65_536
    state = read_state(text)
    assert state
    assert len(state.failing) == min(number + 1, MOST_REMEMBERED)
