"""What is measured side by side with a baseline's stack, and which cases are confirmed in which order."""

from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock, Mock

import pytest
from rich.console import Console

from perf.errors import PerfError, UnavailableError
from perf.facts import CheckFacts, RnnCheck
from perf.judge.judgement import MAX_EVALUATIONS
from perf.measure import cases as measuring
from perf.measure.cases import Measuring
from perf.measure.engine import Conditions
from perf.measure.family import Case, Checked
from perf.measure.ledger import Ledger
from perf.measure.outcome import Outcome
from perf.measure.plan import Plan, Variant
from perf.measure.stacks import BaselineArm
from perf.plugin.session import PerfSession
from perf.report.progress import ProgressLine
from perf.runs.judges import NoBaseline
from tests.support.fakes import PLACEMENTS
from tests.unit.measure.fake_session import (
    ARM,
    CONFIRMING,
    LOST,
    SMOKE,
    Asked,
    Engine,
    Family,
    Session,
    arm_with_old_stack,
)


def test_the_same_stack_is_measured_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(monkeypatch, baseline_arm=lambda *_: None)
    outcomes = session.measured()
    assert [asked.variants for asked in session.engine.asked] == [["native", "fast"]]
    assert outcomes["b"].baseline_arm is None


def test_a_baseline_arm_takes_part_from_the_first_invocation(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(monkeypatch, decided_after=0)
    outcomes = session.measured()
    (asked,) = session.engine.asked
    assert (asked.phase, asked.variants, asked.reference) == ("invocation", ["native", ARM, "fast"], "native")
    assert isinstance(outcomes["b"].baseline_arm, BaselineArm)


def test_only_selected_variants_have_baseline_arms(monkeypatch: pytest.MonkeyPatch) -> None:
    asked_for: list[tuple[str, list[str]]] = []

    def baseline_arm(_: Plan[Any], variant: Variant[Any], cases: Sequence[Case]) -> None:
        asked_for.append((variant.name, [case.id for case in cases]))

    Session(monkeypatch, losses={"b1": 0.0, "b4": 0.0}, subject="b", baseline_arm=baseline_arm).measured()
    assert asked_for == [("fast", ["b1", "b4"])], "one baseline arm for all workloads of a subject"


def test_why_a_case_has_no_baseline_arm_is_printed_and_in_its_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(monkeypatch, baseline_arm=lambda *_: "of what differs (wheel) nothing can be put back")
    outcomes = session.measured()
    assert (
        "b fast: the baseline cannot run side by side with it: of what differs (wheel) nothing can be put back"
        in session.printed.getvalue()
    )
    assert outcomes["b"].baseline_arm == "of what differs (wheel) nothing can be put back"
    assert [asked.variants for asked in session.engine.asked] == [["native", "fast"]]


def test_a_decided_case_is_not_remeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(monkeypatch, decided_after=0)
    session.measured()
    assert session.engine.confirmed == []
    assert session.ledger.parts == {}


def test_a_confirmation_measures_a_case_and_its_baseline_arm_alone_and_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(monkeypatch)
    session.measured()
    confirmations = session.engine.asked[1:]
    assert confirmations == [
        Asked(f"{CONFIRMING} b-fast", ["b"], [ARM, "fast"], ARM, number * SMOKE.confirm_invocations)
        for number in range(1, MAX_EVALUATIONS)
    ], "at most the number among which the error of a run is divided"
    assert list(session.ledger.parts) == ["confirmations"]


def test_confirmations_end_as_soon_as_a_case_is_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(monkeypatch, decided_after=2)
    session.measured()
    assert session.engine.confirmed == ["b", "b"]


def test_the_slowest_case_gets_all_confirmations_before_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(monkeypatch, losses={"faster": -0.2, "slow": 0.1, "slower": 0.3})
    session.measured()
    most = MAX_EVALUATIONS - 1
    assert session.engine.confirmed == ["slower"] * most + ["slow"] * most + ["faster"] * most


def test_subjects_of_two_families_with_the_same_name_are_distinct(monkeypatch: pytest.MonkeyPatch) -> None:
    """As are those of two builds that train: their variants and baseline arms have the same names too."""
    engine = Engine()
    monkeypatch.setattr(measuring, "measure", engine)
    journal = Mock(checks=Mock(return_value=None), resumed=None)
    families = [Family("one"), Family("other")]
    cases = [
        Mock(id=f"{family.name}-fast", workload="same-b1", subject="same", variant="fast", family=family)
        for family in families
    ]
    measured = Measuring(
        resources=Mock(),
        conditions=Conditions(
            placements=PLACEMENTS, effort=SMOKE, timeout_s=1, scratch=Path("unused"), journal=journal
        ),
        injected={},
        progress=ProgressLine(Console(file=StringIO(), width=200)),
        ledger=Ledger(),
        baseline_arm=arm_with_old_stack,
        undecided=lambda _: [],
    ).measured(cases)
    outcomes = [measured.outcomes[case.id] for case in cases]
    baseline_arms = [outcome.baseline_arm for outcome in outcomes if isinstance(outcome, Outcome)]
    assert [outcome.plan.family for outcome in outcomes if isinstance(outcome, Outcome)] == ["one", "other"]
    assert [outcome.check.facts for outcome in outcomes if isinstance(outcome, Outcome)] == [
        RnnCheck("one", 0.0, 0.0),
        RnnCheck("other", 0.0, 0.0),
    ]
    assert baseline_arms[0] is not baseline_arms[1]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError("no network namespace"), "bad: it could not be prepared or checked: no network namespace"),
        (MemoryError("Unable to allocate 96 GiB"), "bad: there is not enough memory to prepare and check it: Unable"),
        (MemoryError(), "bad: there is not enough memory to prepare and check it\nnext: "),
    ],
)
def test_a_subject_that_cannot_be_prepared_fails_its_own_cases(
    monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    check = Family.check

    def checked(family: Family, plan: Plan[Any], resources: object) -> dict[str, Checked[CheckFacts]]:
        if plan.subject == "bad":
            raise error
        return check(family, plan, resources)

    monkeypatch.setattr(Family, "check", checked)
    session = Session(monkeypatch, losses={"bad": 0.0, "good": 0.0}, decided_after=0)
    assert list(session.measured()) == ["good"]
    assert str(session.errors["bad"]).startswith(message)


@pytest.mark.parametrize("subject", ["together", None])
def test_a_workload_that_does_not_fit_into_memory_fails_alone(
    monkeypatch: pytest.MonkeyPatch, subject: str | None
) -> None:
    session = Session(monkeypatch, losses={"large": 0.0, "small": 0.0}, decided_after=0, subject=subject)
    assert list(session.measured()) == ["small"]
    assert [asked.workloads for asked in session.engine.asked] == [["small"]]
    assert str(session.errors["large"]).startswith("large: needs about 931323 GiB of memory, ")
    assert "next: choose a smaller batch or shape" in str(session.errors["large"])


def test_an_error_that_ends_the_measuring_is_raised_for_every_case(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = Mock(side_effect=RuntimeError("broken"))
    monkeypatch.setattr(PerfSession, "_measuring", Mock(return_value=Mock(measured=measured)))
    session = PerfSession(
        setup=MagicMock(),
        selected=[],
        effort=SMOKE,
        context=Mock(),
        journal=Mock(),
        judge=NoBaseline(),
        tolerances=Mock(),
    )
    session.measure()
    for _ in range(3):
        with pytest.raises(RuntimeError, match="broken"):
            session.outcome(Mock())
    measured.assert_called_once()


def test_without_time_nothing_is_confirmed_and_undecided_cases_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(monkeypatch, losses={"slow": 0.1, "slower": 0.3}, budget_s=0.0)
    session.measured()
    assert session.engine.confirmed == []
    assert "The time for confirmations is spent; undecided: slower, slow" in session.printed.getvalue()


@pytest.mark.parametrize("failed", [ARM, "fast"])
def test_a_case_without_a_result_is_not_confirmed(monkeypatch: pytest.MonkeyPatch, failed: str) -> None:
    session = Session(monkeypatch, failures={failed: LOST})
    outcome = session.measured()["b"]
    assert session.engine.confirmed == []
    assert (outcome.failure, outcome.baseline_arm_failure) == ((None, LOST) if failed == ARM else (LOST, None))


def test_a_baseline_arm_has_no_injected_slowdown(monkeypatch: pytest.MonkeyPatch) -> None:
    slowdowns: list[float] = []

    def baseline_arm(plan: Plan[Any], variant: Variant[Any], cases: Sequence[Case]) -> BaselineArm:
        slowdowns.append(variant.extra_work)
        return arm_with_old_stack(plan, variant, cases)

    session = Session(monkeypatch, injected={"fast": 0.6}, baseline_arm=baseline_arm, decided_after=0)
    outcome = session.measured()["b"]
    assert slowdowns == [0.6], "what is compared with the baseline's stack has the slowdown in its own"
    assert {variant.name: variant.extra_work for variant in outcome.plan.variants} == {
        "native": 0.0,
        ARM: 0.0,
        "fast": 0.6,
    }


def test_a_slowdown_of_an_unknown_variant_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PerfError, match="no selected case has a variant fats") as caught:
        Session(monkeypatch, injected={"fats": 0.6}).measured()
    assert caught.value.next_step == "name one of fast, native"


@pytest.mark.parametrize(
    ("decided_after", "budget_s", "confirmations", "stopped"),
    [
        (0, 1000.0, 0, None),
        (1, 1000.0, 1, "decided"),
        (MAX_EVALUATIONS, 1000.0, MAX_EVALUATIONS - 1, "confirmations"),
        (MAX_EVALUATIONS, 0.0, 0, "confirmation budget"),
    ],
)
def test_an_outcome_says_how_often_it_was_confirmed_and_why_no_more(
    decided_after: int, budget_s: float, confirmations: int, stopped: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    (outcome,) = Session(monkeypatch, decided_after=decided_after, budget_s=budget_s).measured().values()
    assert (outcome.confirmations, outcome.confirmed_until) == (confirmations, stopped)
    assert outcome.ended("decided").stopped == "decided"


def test_what_a_release_cannot_run_is_unavailable_and_all_other_cases_are_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session = Session(monkeypatch, losses={"lacks": 0.0, "b": 0.0}, baseline_arm=lambda *_: None)
    assert list(session.measured()) == ["b"]
    error = session.errors["lacks"]
    assert isinstance(error, UnavailableError)
    assert str(error).startswith("lacks: not available\nnext: ")
    assert [asked.workloads for asked in session.engine.asked] == [["b"]], "a reference alone is not measured"
