"""What a run says as Markdown: short, whatever the number of cases, and harmless, whatever their names."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perf.report.github.markdown import (
    JOINER,
    RunLabel,
    code,
    escaped,
    result_lines,
    table,
    write_markdown,
)
from perf.report.summary import Summary
from tests.unit.report.github.made_overviews import HOSTILE, Page, finding, overview, rendered
from tests.unit.report.records import NATIVE, SUMMARY, network, record

LABEL = RunLabel("made-2c-1n-avx2", "quick", "2026-11-26T23:28:08+00:00")
# All that a result may be made of.
TAGS = {"h2", "p", "table", "thead", "tbody", "tr", "th", "td", "code", "pre", "details", "summary", "ul", "li"}
NAMES = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=60))


def flat(text: str) -> str:
    """Return a text as it is shown: on one line, without what cannot be printed."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def check_harmless(page: Page) -> None:
    assert set(page.tags) <= TAGS
    # GitHub makes links of these, anywhere but in code.
    assert not re.search(r"@\w|#\d", page.prose)


@given(NAMES)
def test_a_text_in_a_cell_is_shown_as_it_is_and_nothing_else(text: str) -> None:
    page = rendered(table(["Name", "Plain"], [[code(text), f"x {escaped(text)} x"]]))
    assert set(page.tags) <= {"table", "thead", "tbody", "tr", "th", "td", "code"}
    assert page.tags.count("td") == 2
    assert page.names == [flat(text).replace(JOINER, "")]
    prose = page.prose.replace(JOINER, "")
    assert " ".join(prose.split()) == " ".join(f"Name Plain x {flat(text)} x".replace(JOINER, "").split())


@pytest.mark.parametrize("text", HOSTILE)
def test_no_hostile_name_leaves_its_place(text: str) -> None:
    seen = finding(text, reason=text, command=f"uv run pytest '{text}'", compared="")
    several = overview(*[seen] * 5, not_run={text: text}, vanished=(text,), baseline=text, doubts=(text,))
    check_harmless(page := rendered(result_lines(several, RunLabel(text, text, text), earlier=text)))
    assert page.tags.count("details") == 3
    assert page.tags.count("h2") == 1


@given(st.lists(NAMES, max_size=6), NAMES)
def test_no_name_leaves_its_place(names: list[str], other: str) -> None:
    findings = [finding(name, reason=other) for name in names]
    check_harmless(rendered(result_lines(overview(*findings, vanished=(other,)), RunLabel(other))))


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40), st.booleans())
def test_a_result_has_at_most_58_lines(findings: int, not_run: int, vanished: int, doubtful: bool) -> None:
    many = overview(
        *(finding(f"case-{number}", reason=f"reason {number}") for number in range(findings)),
        counts={"regressed": findings, "not run": not_run, "vanished": vanished},
        not_run={f"absent-{number}": "why" for number in range(not_run)},
        vanished=tuple(f"gone-{number}" for number in range(vanished)),
        doubts=("The run is unfinished.", "The run was slowed down on purpose.") if doubtful else (),
    )
    lines = result_lines(many, LABEL, earlier="drifted")
    assert len(lines) <= 58
    assert not any("\n" in line for line in lines)


def test_the_result_is_the_first_word_and_the_worst_three_come_before_the_fold() -> None:
    findings = [finding(f"case-{number}") for number in range(5)]
    lines = result_lines(overview(*findings), LABEL, [])
    assert lines[0] == "## regressed"
    fold = lines.index("<details><summary>2 more findings</summary>")
    shown = [re.findall("case-[0-9]", line) for line in lines[:fold] if line.startswith("| <code>")]
    assert shown == [["case-0"], ["case-1"], ["case-2"]]
    assert sum("pytest" in line for line in lines[:fold]) == 3
    assert [line for line in lines[fold:] if line.startswith("| <code>case-3")]


def test_a_finding_has_its_interval_tolerance_smallest_loss_and_cause() -> None:
    row = next(line for line in result_lines(overview(finding()), LABEL, []) if line.startswith("| <code>"))
    assert row == (
        "| <code>resnet50_v1-b1-mkl-fp32</code> | regressed | -10.0% [-12.0%, -8.0%] | side by side | 2.0% | 3.0% "
        "| build |"
    )


def test_what_is_not_shown_is_counted() -> None:
    many = overview(
        *(finding(f"case-{number}", reason=f"reason {number}") for number in range(30)),
        not_run={f"absent-{number}": "why" for number in range(9)},
        vanished=tuple(f"gone-{number}" for number in range(9)),
        counts={"regressed": 30, "not run": 9, "vanished": 9},
    )
    text = "\n".join(result_lines(many, LABEL))
    assert "30 regressed, 9 not run, 9 vanished. Compared with" in text
    for line in ("| and 18 more |", "- and 27 more reasons", "- and 6 more cases", "<code>gone-4</code> and 4 more"):
        assert line in text


def test_a_failing_case_is_unconfirmed_until_something_says_the_same() -> None:
    both = overview(finding("a"), finding("b", "drifted"), finding("c", "inconclusive"), counts={"regressed": 3})
    assert result_lines(both, LABEL)[0] == "## regressed (unconfirmed)"
    assert "| <code>c</code> | inconclusive |" in "\n".join(result_lines(both, LABEL))
    partly = "\n".join(result_lines(both, LABEL, ["b"]))
    assert partly.startswith("## regressed\n")
    assert "| <code>b</code> | drifted (unconfirmed) |" in partly
    assert "no earlier run says the same of 1 case" in partly
    assert "nconfirmed" not in "\n".join(result_lines(both, LABEL, []))


def test_a_case_without_a_baseline_is_counted_with_its_reason_and_has_no_row() -> None:
    new = finding("new", "no-baseline", reason="there is no stored run", change=None)
    text = "\n".join(result_lines(overview(new, result="not compared", baseline=""), LABEL))
    assert text.startswith("## not compared\n\n1 no-baseline. Without a baseline;")
    assert "- no-baseline: there is no stored run: <code>new</code>" in text
    assert "| Case |" not in text


def test_a_command_that_would_end_its_block_does_not() -> None:
    lines = result_lines(overview(finding(command="uv run pytest '```'")), LABEL)
    assert lines[lines.index("uv run pytest '```'") - 1] == "````sh"
    assert "Alone:" not in result_lines(overview(finding(command="uv run pytest 'a\nb'")), LABEL)


@settings(deadline=None, max_examples=20)  # each writes a file
@given(NAMES)
def test_the_summary_is_harmless_too(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "summary.md"
    records = [NATIVE, record("mkl-fp32", facts=network(text))]
    write_markdown(replace(SUMMARY, header=[f"build {text}"], footer=[f"in {text}"], records=records), path, "Title")
    page = rendered(path.read_text().split("\n"))
    assert set(page.tags) <= TAGS | {"h1"}
    assert not re.search(r"@\w|#\d", page.prose)


def test_the_result_is_above_the_tables(tmp_path: Path) -> None:
    write_markdown(SUMMARY, tmp_path / "summary.md", "Speedup", result_lines(overview(finding()), LABEL))
    lines = (tmp_path / "summary.md").read_text().splitlines()
    assert lines[:3] == ["# Speedup", "", "## regressed (unconfirmed)"]
    assert "- machine class c5.metal: 48 cores" in lines
    write_markdown(Summary([], [], [], []), tmp_path / "summary.md", "Speedup")
    assert (tmp_path / "summary.md").read_text().strip() == "# Speedup"
