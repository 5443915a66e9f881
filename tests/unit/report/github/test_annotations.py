"""Annotations of a workflow: nine of each kind and one that counts the rest, each on one line whatever it says."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.report.github.annotations import SHOWN, annotation_lines
from tests.unit.report.github.made_overviews import HOSTILE, finding, overview

FAILED = finding()
UNDECIDED = finding("lstm-b1-mkl-fp32", "inconclusive", reason="a change of 5% cannot be excluded")
COMMAND = re.compile(r"::(error|warning)(?: ([^:]*))?::(.*)")


def parsed(line: str) -> tuple[str, dict[str, str], str]:
    """Return the level, the properties and the message of a line, as GitHub's runner reads it
    (actions/runner, ActionCommand.cs).
    """
    match = COMMAND.fullmatch(line)
    assert match, line
    level, properties, message = match.groups()
    pairs = dict(pair.split("=", 1) for pair in (properties or "").split(",") if pair)
    return level, {name: _unescaped(value) for name, value in pairs.items()}, _unescaped(message)


def _unescaped(text: str) -> str:
    for code, char in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
        text = text.replace(code, char)
    return text


def test_a_failed_case_is_an_error_and_an_undecided_one_a_warning() -> None:
    error, warning = map(parsed, annotation_lines(overview(FAILED, UNDECIDED), {FAILED.item: "it regressed"}))
    assert error == (
        "error",
        {"file": "perf/cnn/test_inference.py", "title": "resnet50_v1-b1-mkl-fp32: regressed"},
        f"-10.0% [-12.0%, -8.0%] side by side: 99.9 % confidence\nalone: {FAILED.command}",
    )
    assert warning[:2] == (
        "warning",
        {"file": "perf/cnn/test_inference.py", "title": "lstm-b1-mkl-fp32: inconclusive"},
    )


def test_what_did_not_fail_the_session_is_a_warning() -> None:
    (line,) = annotation_lines(overview(FAILED), {})
    assert line.startswith("::warning ")


def test_what_failed_strictly_is_an_error() -> None:
    (line,) = annotation_lines(overview(UNDECIDED), {UNDECIDED.item: "inconclusive"})
    assert line.startswith("::error ")


@pytest.mark.parametrize("kind", ["improved", "no-baseline"])
def test_what_is_neither_a_loss_nor_undecided_has_none(kind: str) -> None:
    seen = finding(kind=kind)  # type: ignore[arg-type] # a name from the parameters
    assert annotation_lines(overview(seen), {}) == []
    assert len(annotation_lines(overview(seen), {seen.item: ""})) == 1


def test_a_failure_without_a_verdict_is_an_error_and_named_once() -> None:
    item = "perf/cnn/test_inference.py::test_inference[vgg16-b1-mkl-fp32]"
    run = overview(not_run={"vgg16-b1-mkl-fp32": "it crashed", "vgg19-b1-mkl-fp32": "not run: no compiler"})
    lines = [parsed(line) for line in annotation_lines(run, {item: "while warming up: killed"})]
    assert lines == [
        ("error", {"file": "perf/cnn/test_inference.py", "title": f"{item} failed"}, "while warming up: killed"),
        ("warning", {"title": "vgg19-b1-mkl-fp32: not run"}, "not run: no compiler"),
    ]


@given(st.integers(0, 30), st.integers(0, 30))
def test_at_most_nine_of_each_kind_and_the_rest_is_counted(errors: int, warnings: int) -> None:
    lost = [finding(f"lost-{number}") for number in range(errors)]
    doubtful = [finding(f"doubtful-{number}", "inconclusive") for number in range(warnings)]
    lines = annotation_lines(overview(*lost, *doubtful), {one.item: "" for one in lost})
    for level, number in (("error", errors), ("warning", warnings)):
        own = [line for line in lines if line.startswith(f"::{level}")]
        assert len(own) == min(number, SHOWN + 1)
        assert own[SHOWN:] == ([f"::{level}::and {number - SHOWN} more"] if number > SHOWN else [])


@given(st.one_of(st.sampled_from([*HOSTILE, "%0A::error::x", "%25", "a,title=b", "\r\n"]), st.text()))
def test_no_text_leaves_its_line_or_its_property(text: str) -> None:
    seen = finding(text, reason=text, item=f"perf/{text}::test", command=text)
    (line,) = annotation_lines(overview(seen), {seen.item: ""})
    assert "\n" not in line
    assert "\r" not in line
    level, properties, message = parsed(line)
    assert (level, properties["title"]) == ("error", f"{text}: regressed")
    assert set(properties) == {"file", "title"}
    assert properties["file"] == seen.item.partition("::")[0]
    assert message.endswith(f": {text}\nalone: {text}")
