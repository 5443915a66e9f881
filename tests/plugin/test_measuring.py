"""Which cases get a second look, and in which order."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from rich.console import Console

from perf.measure.engine import Conditions
from perf.measure.family import Checked
from perf.measure.plan import Effort, Plan, Variant, Workload
from perf.measure.results import Failure, Spent, WorkloadResult
from perf.measure.tiers import effort_of
from perf.plugin import measuring
from perf.plugin.measuring import Measuring
from perf.report.progress import ProgressLine

SMOKE = effort_of("smoke")
COST_S = SMOKE.again_invocations * (SMOKE.block_budget_s + measuring.STARTING_S)


class Phases:
    """Stands in for the engine: notes what it was asked to measure, in which phase, and finds nothing."""

    def __init__(self, failures: Mapping[str, Failure]) -> None:
        self.asked: list[tuple[str, list[str], list[str]]] = []
        self.failures = failures

    def __call__(
        self, plans: Sequence[Plan], problems: Mapping[str, Any], conditions: Conditions, *_: object
    ) -> dict[str, WorkloadResult]:
        assert not any(problems.values())
        workloads = [workload.name for plan in plans for workload in plan.workloads]
        variants = sorted({variant.name for plan in plans for variant in plan.variants})
        self.asked.append((conditions.phase, workloads, variants))
        found = {name: failure for name, failure in self.failures.items() if name in variants}
        return {name: WorkloadResult((), found) for name in workloads}


class Family:
    """Plans without preparing anything."""

    name = "made"

    def plan(self, subject: str, cases: Sequence[Any], _: object) -> Plan:
        build = Mock(requirement="mxnet-mkl==1.5.0")
        variants = [Variant(name, build, Mock(), over) for name, over in (("native", ()), ("fast", ("native",)))]
        workloads = [Workload(name, {}, 1, 1.0) for name in dict.fromkeys(case.workload for case in cases)]
        return Plan(subject, tuple(variants), tuple(workloads), "native")

    def check(self, plan: Plan, _: object) -> dict[str, Checked]:
        return {variant.name: Checked(None, {}) for variant in plan.variants}


def looked_at(
    losses: Mapping[str, float | None],
    budget_s: float,
    monkeypatch: pytest.MonkeyPatch,
    *,
    twin: bool = True,
    failures: Mapping[str, Failure] | None = None,
) -> tuple[list[tuple[str, list[str], list[str]]], str]:
    """What is measured after the first look when workloads seem this much slower, and what is said."""
    phases = Phases(failures or {})
    monkeypatch.setattr(measuring, "measure", phases)
    said = StringIO()
    family = Family()
    cases = [Mock(id=name, workload=name, subject=name, variant="fast", family=family) for name in losses]
    journal = Mock(checks=Mock(return_value=None))
    effort: Effort = replace(SMOKE, again_budget_s=budget_s)
    Measuring(
        resources=Mock(),
        conditions=Conditions(placements=(), effort=effort, timeout_s=1, scratch=Path("unused"), journal=journal),
        injected={},
        progress=ProgressLine(Console(file=said, width=200)),
        spent=Spent(),
        unsettled=lambda outcome: losses[outcome.case.id],
        of_baseline=lambda build: build if twin else None,
    ).measured(cases)
    return phases.asked[1:], said.getvalue()


def test_what_is_settled_is_not_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    assert looked_at({"a": None, "b": None}, 1000, monkeypatch)[0] == []


def test_a_case_is_measured_beside_its_twin_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, _ = looked_at({"a": None, "b": 0.1}, 1000, monkeypatch)
    assert asked[0] == ("second look of fast beside mxnet-mkl==1.5.0", ["b"], ["fast", "fast@baseline"])
    assert len(asked) == 4, "as often as there are looks, for it never settles"


def test_without_a_twin_it_is_measured_beside_its_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, _ = looked_at({"b": 0.1}, 1000, monkeypatch, twin=False)
    assert asked[0] == ("second look of fast", ["b"], ["fast", "native"])


def test_a_twin_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    failures = {"fast@baseline": Failure("while starting: the worker was ended by SIGKILL", "")}
    _, said = looked_at({"b": 0.1}, 1000, monkeypatch, failures=failures)
    assert "b fast@baseline cannot be measured side by side: while starting: the worker was ended by SIGKILL" in said


def test_those_that_seem_slowest_come_first_and_the_rest_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, said = looked_at({"faster": -0.2, "slow": 0.1, "slower": 0.3}, 2.5 * COST_S, monkeypatch)
    assert all(workloads == ["slow", "slower"] for _, workloads, _ in asked)
    assert f"1 more cases should be measured again, and the {2.5 * COST_S:g} s for that are spent." in said


def test_without_a_budget_nothing_is_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, said = looked_at({"slow": 0.1}, 0.0, monkeypatch)
    assert asked == []
    assert "1 more cases should be measured again" in said
