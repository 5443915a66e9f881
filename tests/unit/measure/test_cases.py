"""What is measured beside a baseline's stack, and which cases get a confirmation, in which order."""

from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock, Mock

import pytest
from rich.console import Console

from perf.errors import PerfError
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
    CONFIRMING,
    LOST,
    SMOKE,
    TWIN,
    Asked,
    Engine,
    Family,
    Session,
    twin_with_old_stack,
)


def test_the_same_stack_is_measured_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(monkeypatch, baseline_arm=lambda *_: None)
    outcomes = session.measured()
    assert [asked.variants for asked in session.engine.asked] == [["native", "fast"]]
    assert outcomes["b"].baseline_arm is None


def test_a_twin_takes_part_from_the_first_invocation(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(monkeypatch, decided_after=0)
    outcomes = session.measured()
    (asked,) = session.engine.asked
    assert (asked.phase, asked.variants, asked.reference) == ("invocation", ["native", TWIN, "fast"], "native")
    assert isinstance(outcomes["b"].baseline_arm, BaselineArm)


def test_only_selected_variants_have_twins(monkeypatch: pytest.MonkeyPatch) -> None:
    asked_for: list[tuple[str, list[str]]] = []

    def baseline_arm(_: Plan[Any], variant: Variant[Any], cases: Sequence[Case]) -> None:
        asked_for.append((variant.name, [case.id for case in cases]))

    Session(monkeypatch, losses={"b1": 0.0, "b4": 0.0}, subject="b", baseline_arm=baseline_arm).measured()
    assert asked_for == [("fast", ["b1", "b4"])], "one twin for all workloads of a subject"


def test_why_nothing_can_run_beside_a_case_is_printed_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(monkeypatch, baseline_arm=lambda *_: "of what differs (wheel) nothing can be put back")
    outcomes = session.measured()
    assert (
        "b fast: nothing runs beside it: of what differs (wheel) nothing can be put back" in session.printed.getvalue()
    )
    assert outcomes["b"].baseline_arm == "of what differs (wheel) nothing can be put back"
    assert [asked.variants for asked in session.engine.asked] == [["native", "fast"]]


def test_a_decided_case_is_not_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(monkeypatch, decided_after=0)
    session.measured()
    assert session.engine.looks == []
    assert session.ledger.parts == {}


def test_a_confirmation_is_at_a_case_and_its_twin_alone_and_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(monkeypatch)
    session.measured()
    looks = session.engine.asked[1:]
    assert looks == [
        Asked(f"{CONFIRMING} b-fast", ["b"], [TWIN, "fast"], TWIN, look * SMOKE.confirm_invocations)
        for look in range(1, MAX_EVALUATIONS)
    ], "as often as the error of a run is divided among, and no more"
    assert list(session.ledger.parts) == ["confirmations"]


def test_looks_end_as_soon_as_a_case_is_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(monkeypatch, decided_after=2)
    session.measured()
    assert session.engine.looks == ["b", "b"]


def test_the_slowest_case_is_taken_to_its_verdict_before_the_next_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(monkeypatch, losses={"faster": -0.2, "slow": 0.1, "slower": 0.3})
    session.measured()
    most = MAX_EVALUATIONS - 1
    assert session.engine.looks == ["slower"] * most + ["slow"] * most + ["faster"] * most


def test_subjects_of_two_families_with_one_name_are_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """As are those of two builds that train: their variants and twins are called alike too."""
    engine = Engine()
    monkeypatch.setattr(measuring, "measure", engine)
    journal = Mock(checks=Mock(return_value=None), resumed=None)
    families = [Family("one"), Family("other")]
    cases = [
        Mock(id=f"{family.name}-fast", workload="same-b1", subject="same", variant="fast", family=family)
        for family in families
    ]
    found = Measuring(
        resources=Mock(),
        conditions=Conditions(
            placements=PLACEMENTS, effort=SMOKE, timeout_s=1, scratch=Path("unused"), journal=journal
        ),
        injected={},
        progress=ProgressLine(Console(file=StringIO(), width=200)),
        ledger=Ledger(),
        baseline_arm=twin_with_old_stack,
        undecided=lambda _: [],
    ).measured(cases)
    outcomes = [found.outcomes[case.id] for case in cases]
    baseline_arms = [outcome.baseline_arm for outcome in outcomes if isinstance(outcome, Outcome)]
    assert [outcome.plan.family for outcome in outcomes if isinstance(outcome, Outcome)] == ["one", "other"]
    assert [outcome.check.facts for outcome in outcomes if isinstance(outcome, Outcome)] == [
        RnnCheck("one", 0.0, 0.0),
        RnnCheck("other", 0.0, 0.0),
    ]
    assert baseline_arms[0] is not baseline_arms[1]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError("no network namespace"), "bad: preparing or checking it failed: no network namespace"),
        (MemoryError("Unable to allocate 96 GiB"), "bad: there was not enough memory to prepare and check it: Unable"),
        (MemoryError(), "bad: there was not enough memory to prepare and check it\nnext: "),
    ],
)
def test_a_subject_that_cannot_be_prepared_fails_its_own_cases(
    monkeypatch: pytest.MonkeyPatch, error: Exception, told: str
) -> None:
    check = Family.check

    def checked(family: Family, plan: Plan[Any], resources: object) -> dict[str, Checked[CheckFacts]]:
        if plan.subject == "bad":
            raise error
        return check(family, plan, resources)

    monkeypatch.setattr(Family, "check", checked)
    session = Session(monkeypatch, losses={"bad": 0.0, "good": 0.0}, decided_after=0)
    assert list(session.measured()) == ["good"]
    assert str(session.errors["bad"]).startswith(told)


@pytest.mark.parametrize("subject", ["together", None])
def test_a_workload_that_does_not_fit_into_memory_fails_alone(
    monkeypatch: pytest.MonkeyPatch, subject: str | None
) -> None:
    session = Session(monkeypatch, losses={"large": 0.0, "small": 0.0}, decided_after=0, subject=subject)
    assert list(session.measured()) == ["small"]
    assert [asked.workloads for asked in session.engine.asked] == [["small"]]
    assert str(session.errors["large"]).startswith("large: needs about 931323 GiB of memory, ")
    assert "next: choose a smaller batch or shape" in str(session.errors["large"])


def test_an_error_that_ends_the_measuring_is_kept_for_all_cases(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_without_time_nothing_is_measured_again_and_the_undecided_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(monkeypatch, losses={"slow": 0.1, "slower": 0.3}, budget_s=0.0)
    session.measured()
    assert session.engine.looks == []
    assert "The time for confirmations is spent; undecided: slower, slow" in session.printed.getvalue()


@pytest.mark.parametrize("failed", [TWIN, "fast"])
def test_what_has_no_result_is_not_looked_at_again(monkeypatch: pytest.MonkeyPatch, failed: str) -> None:
    session = Session(monkeypatch, failures={failed: LOST})
    outcome = session.measured()["b"]
    assert session.engine.looks == []
    assert (outcome.failure, outcome.baseline_arm_failure) == ((None, LOST) if failed == TWIN else (LOST, None))


def test_a_twin_does_without_the_slowdown_that_was_injected(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []

    def baseline_arm(plan: Plan[Any], variant: Variant[Any], cases: Sequence[Case]) -> BaselineArm:
        seen.append(variant.extra_work)
        return twin_with_old_stack(plan, variant, cases)

    session = Session(monkeypatch, injected={"fast": 0.6}, baseline_arm=baseline_arm, decided_after=0)
    outcome = session.measured()["b"]
    assert seen == [0.6], "what is compared with the baseline's stack has the slowdown in its own"
    assert {variant.name: variant.extra_work for variant in outcome.plan.variants} == {
        "native": 0.0,
        TWIN: 0.0,
        "fast": 0.6,
    }


def test_a_slowdown_of_an_unknown_variant_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PerfError, match="no selected case has a variant fats") as caught:
        Session(monkeypatch, injected={"fats": 0.6}).measured()
    assert caught.value.next_step == "name one of fast, native"
