"""What becomes of the issue about a regression: opened for a confirmed one only, closed when all of it is gone."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.cli.judge import judge_files
from perf.judge.judgement import Judgement
from perf.runs.groups import RunVerdicts
from perf.runs.night.issue import Decision, HistoryState, OpenIssue, Subject, decide
from perf.runs.verdict import Verdict
from tests.support.factories import as_run, document, native
from tests.unit.runs.night.made_nights import BASELINE, slowed, tonight

SLOW, OTHER = "resnet50_v1-b4-mkl-int8", "mobilenet1.0-b1-mkl-fp32"


def decided(folder: Path, document: dict[str, Any], *issues: OpenIssue) -> Decision:
    path = folder / "run.json"
    path.write_text(json.dumps(document))
    run, _, judged = judge_files(path, BASELINE)
    return decide(run.perf, judged, issues)


def about(*cases: str, number: int = 7, **fields: Any) -> OpenIssue:
    subject = Subject(**{"machine_class": BASELINE.parent.name, "roles": (), "cases": cases, **fields})
    return OpenIssue(number, f"{subject.mark}\nSlower.\n")


@pytest.fixture
def regressed() -> dict[str, Any]:
    return slowed(tonight(), SLOW, 0.2)


@pytest.fixture
def quiet() -> dict[str, Any]:
    return slowed(tonight(), SLOW, 0.0)


def test_a_confirmed_regression_opens_an_issue(tmp_path: Path, regressed: dict[str, Any]) -> None:
    decision = decided(tmp_path, regressed)
    assert (decision.action, decision.number, decision.subject.cases) == ("open", None, (SLOW,))


@pytest.mark.parametrize("name", ["quiet", "same stack"])
def test_a_quiet_night_opens_nothing(tmp_path: Path, quiet: dict[str, Any], name: str) -> None:
    assert decided(tmp_path, quiet if name == "quiet" else tonight()).action == "nothing"


def test_an_undecided_case_opens_nothing(tmp_path: Path, quiet: dict[str, Any]) -> None:
    for benchmark in quiet["benchmarks"]:
        if benchmark["extra_info"]["beside"]:
            benchmark["extra_info"]["beside"]["values"] = [-0.5, 0.4, -0.3, 0.2]
    assert decided(tmp_path, quiet).action == "nothing"


def test_a_machine_that_drifted_opens_nothing(tmp_path: Path) -> None:
    document = tonight()
    for benchmark in document["benchmarks"]:
        for sample in benchmark["extra_info"]["samples"].values():
            sample["floors"] = [[then, now * 3] for then, now in sample["floors"]]
    decision = decided(tmp_path, document)
    assert decision.action == "nothing"


def test_a_slowdown_on_purpose_changes_no_issue(tmp_path: Path, regressed: dict[str, Any]) -> None:
    regressed["perf"]["injected"] = {"mkl-int8": 0.2}
    assert decided(tmp_path, regressed).action == "nothing"
    assert decided(tmp_path, regressed, about(SLOW)).action == "nothing"


def test_the_same_regression_updates_the_oldest_issue(tmp_path: Path, regressed: dict[str, Any]) -> None:
    issues = (about(SLOW, number=9), about(SLOW, number=4), OpenIssue(1, "Slower!"))
    decision = decided(tmp_path, regressed, *issues)
    assert (decision.action, decision.number) == ("update", 4)


def test_an_issue_is_closed_when_all_its_cases_are_judged_and_none_is_slower(
    tmp_path: Path, quiet: dict[str, Any]
) -> None:
    decision = decided(tmp_path, quiet, about(SLOW, OTHER))
    assert (decision.action, decision.number) == ("close", 7)


@pytest.mark.parametrize("why", ["not run", "undecided", "disturbed"])
def test_an_issue_stays_open_while_one_of_its_cases_is_not_judged(
    tmp_path: Path, quiet: dict[str, Any], why: str
) -> None:
    for benchmark in quiet["benchmarks"]:
        info = benchmark["extra_info"]
        if f"{info['workload']}-{info['variant']}" == OTHER:
            info["beside"]["values"] = {"undecided": [-0.5, 0.4, -0.3], "disturbed": []}.get(why, [])
            unwanted = benchmark
    if why == "not run":
        quiet["benchmarks"].remove(unwanted)
    decision = decided(tmp_path, quiet, about(SLOW, OTHER))
    assert (decision.action, decision.open_cases) == ("nothing", (OTHER,))


def test_what_was_slower_and_is_not_judged_stays_in_the_issue(tmp_path: Path, regressed: dict[str, Any]) -> None:
    decision = decided(tmp_path, regressed, about(OTHER, "gone-b1-mkl-fp32"))
    assert decision.action == "update"
    assert decision.subject.cases == ("gone-b1-mkl-fp32", SLOW)
    assert decision.open_cases == ("gone-b1-mkl-fp32",)


@pytest.mark.parametrize(
    "other",
    [
        about(SLOW, machine_class="c5.metal"),
        about(SLOW, roles=("mkl",)),
        OpenIssue(1, "<!-- mxperf-regression {} -->"),
        OpenIssue(1, "<!-- mxperf-regression { -->"),
        OpenIssue(1, f"I saw this:\n{about(SLOW).body}"),
    ],
)
def test_issues_about_something_else_are_left_alone(
    tmp_path: Path, quiet: dict[str, Any], regressed: dict[str, Any], other: OpenIssue
) -> None:
    assert decided(tmp_path, quiet, other).action == "nothing"
    assert decided(tmp_path, regressed, other).action == "open"


def test_candidates_have_an_issue_of_their_own(tmp_path: Path, quiet: dict[str, Any]) -> None:
    quiet["perf"]["arguments"] += ["--perf-build=mkl=mxnet-mkl==1.5.1", "--perf-build=mkl-dist=mxnet-mkl==1.5.1"]
    assert decided(tmp_path, quiet, about(SLOW)).action == "nothing"
    assert decided(tmp_path, quiet, about(SLOW, roles=("mkl", "mkl-dist"))).action == "close"


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=3))
def test_any_name_survives_the_mark_and_ends_no_comment(cases: list[str], roles: list[str]) -> None:
    subject = Subject("made", tuple(roles), tuple(cases))
    assert subject.mark.count("-->") == 1
    assert "\n" not in subject.mark
    assert OpenIssue(1, f"{subject.mark}\ntext").subject == subject


def test_a_mark_of_many_cases_fits_into_an_issue_and_stays_open() -> None:
    cases = tuple(f"network-{number:04}-b1-mkl-int8" for number in range(2000))
    machine_class = BASELINE.parent.name
    issue = OpenIssue(7, Subject(machine_class, (), cases, cases).mark)
    assert len(issue.body) < 2**15
    subject = issue.subject
    assert subject is not None
    *kept, rest = subject.cases
    assert kept == list(cases[: len(kept)])
    assert rest == f"and {len(cases) - len(kept)} more"
    cured = RunVerdicts({name: Verdict(name, "ok", "") for name in cases})
    decision = decide(CONTEXT, cured, [issue], state(cleared=cases))
    assert (decision.action, decision.open_cases) == ("nothing", (rest,))


def state(*lost: str, cleared: tuple[str, ...] = ()) -> HistoryState:
    return HistoryState(frozenset(lost), frozenset(cleared))


# The context and the verdicts of a run, whatever its history shows.
CONTEXT = as_run(document(native(), machine_class=BASELINE.parent.name)).perf
QUIET = RunVerdicts({name: Verdict(name, "ok", "") for name in (SLOW, OTHER)})
SIDE_BY_SIDE = Judgement("regressed", "")
REGRESSED = RunVerdicts({**QUIET.verdicts, SLOW: Verdict(SLOW, "regressed", "", side_by_side=SIDE_BY_SIDE)})


def test_a_loss_in_the_history_opens_an_issue_of_its_own_and_updates_an_open_one() -> None:
    opened = decide(CONTEXT, QUIET, [], state(OTHER))
    assert (opened.action, opened.subject.cases, opened.subject.history) == ("open", (), (OTHER,))
    assert opened.why == "1 case lost speed over the nights"
    updated = decide(CONTEXT, REGRESSED, [about(SLOW)], state(OTHER))
    assert (updated.action, updated.number) == ("update", 7)
    assert (updated.subject.cases, updated.subject.history) == ((SLOW,), (OTHER,))
    assert updated.why == "1 case is slower than the baseline's stack and 1 case lost speed over the nights"


@pytest.mark.parametrize(
    ("history", "action"),
    [
        (None, "nothing"),
        (state(), "nothing"),
        (state(SLOW), "update"),
        (state(cleared=(OTHER,)), "close"),
        (state(SLOW, cleared=(OTHER,)), "update"),
    ],
    ids=["not looked at", "not judged", "another loss", "cleared", "cleared, and another loss"],
)
def test_a_loss_in_the_history_stays_open_until_it_is_cleared(history: HistoryState | None, action: str) -> None:
    decision = decide(CONTEXT, QUIET, [about(history=(OTHER,))], history)
    assert decision.action == action
    assert (OTHER in decision.open_cases) == (history is None or OTHER not in history.cleared)
    assert (OTHER in decision.subject.history) == (action == "close" or OTHER in decision.open_cases)


def test_a_night_of_candidates_says_nothing_about_the_history() -> None:
    context = msgspec.structs.replace(CONTEXT, arguments=("--perf-build=mkl=mxnet-mkl==1.6.0",))
    assert decide(context, QUIET, [about(history=(OTHER,))], state(OTHER)).action == "nothing"


def test_an_issue_of_an_earlier_version_names_no_history() -> None:
    mark = '<!-- mxperf-regression {"machine_class":"a","roles":[],"cases":["b"]} -->'
    assert OpenIssue(1, mark).subject == Subject("a", (), ("b",))
