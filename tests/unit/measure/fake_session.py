"""A session of stand-ins: one family, one engine, one case for each workload."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import Mock

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
from perf.measure.plan import Operator, Plan, Variant, Workload, WorkloadKey
from perf.measure.results import Failure, WorkloadResult
from perf.measure.stacks import OF_BASELINE, BaselineArm
from perf.measure.tiers import effort_of
from perf.report.progress import ProgressLine
from tests.support.fakes import PLACEMENTS, build

SMOKE = effort_of("smoke")
CONFIRMING = "confirming"
ARM = f"fast{OF_BASELINE}"
LOST = Failure("while starting: the worker was ended by SIGKILL", "")


@dataclass(frozen=True)
class Asked:
    """One call of the engine: its name, and of which workloads, variants and reference, in how many invocations."""

    phase: str
    workloads: list[str]
    variants: list[str]
    reference: str
    invocations: int | None


@dataclass
class Engine:
    """Stands in for the engine: records what it is asked to measure, and measures nothing."""

    failures: Mapping[str, Failure] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def __call__(
        self, plans: Sequence[Plan[Any]], problems: Mapping[str, Any], conditions: Conditions, *_: object
    ) -> dict[WorkloadKey, WorkloadResult]:
        assert not any(problems.values())
        results: dict[WorkloadKey, WorkloadResult] = {}
        for plan in plans:
            names = [variant.name for variant in plan.variants]
            workloads = [workload.name for workload in plan.workloads]
            invocations = plan.effort.min_invocations if plan.effort else None
            self.asked.append(
                Asked(conditions.invocation_label(plan.workloads[0]), workloads, names, plan.reference, invocations)
            )
            failures = {name: failure for name, failure in self.failures.items() if name in names}
            results |= {plan.key_of(workload): WorkloadResult((), failures) for workload in plan.workloads}
        return results

    @property
    def confirmed(self) -> list[str]:
        """The cases that were confirmed, in order."""
        return [
            asked.phase.removeprefix(f"{CONFIRMING} ").removesuffix("-fast")
            for asked in self.asked
            if asked.phase.startswith(CONFIRMING)
        ]


class Family:
    """Plans of two variants without preparing anything. A subject that "lacks" one has no variant "fast"."""

    def __init__(self, name: str = "made") -> None:
        self.name = name

    def plan(self, subject: str, cases: Sequence[Any], _: object) -> Plan[Any]:
        program = Operator("relu", {}, ("data",))
        lost = {"fast": "not available"} if subject.startswith("lacks") else {}
        variants = [
            Variant(name, build(), program, over)
            for name, over in (("native", ()), ("fast", ("native",)))
            if name not in lost
        ]
        workloads = [Workload(name, {}, 1, 1.0) for name in dict.fromkeys(case.workload for case in cases)]
        return Plan(subject, tuple(variants), tuple(workloads), "native", unavailable=lost, family=self.name)

    def memory_bytes(self, plan: Plan[Any], _: object) -> dict[str, int]:
        return {workload.name: 10**15 if workload.name.startswith("large") else 1 for workload in plan.workloads}

    def check(self, plan: Plan[Any], _: object) -> dict[str, Checked[CheckFacts]]:
        return {variant.name: Checked(None, RnnCheck(self.name, 0.0, 0.0)) for variant in plan.variants}


def arm_with_old_stack(_: Plan[Any], variant: Variant[Any], cases: Sequence[Case]) -> BaselineArm:
    del cases
    baseline_arm = replace(
        variant, name=variant.name + OF_BASELINE, over=(), baseline_arm_of=variant.name, extra_work=0.0
    )
    return BaselineArm(baseline_arm, Mock())


@dataclass
class Session:
    """Measures one case of variant "fast" for each workload in `losses`, which holds the apparent slowdowns, and
    confirms the slowest first. A case is decided after `decided_after` confirmations. `subject` is that of all
    workloads; None: each has its own.
    """

    monkeypatch: pytest.MonkeyPatch
    losses: Mapping[str, float] = field(default_factory=lambda: {"b": 0.1})
    baseline_arm: Callable[[Plan[Any], Variant[Any], Sequence[Case]], BaselineArm | str | None] = arm_with_old_stack
    failures: Mapping[str, Failure] = field(default_factory=dict)
    budget_s: float = 1000.0
    decided_after: int = MAX_EVALUATIONS
    injected: Mapping[str, float] = field(default_factory=dict)
    subject: str | None = None

    def __post_init__(self) -> None:
        self.engine = Engine(self.failures)
        self.ledger = Ledger()
        self.printed = StringIO()

    def measured(self) -> dict[str, Outcome]:
        self.monkeypatch.setattr(measuring, "measure", self.engine)
        family = Family()
        cases = [
            Mock(id=name, workload=name, subject=self.subject or name, variant="fast", family=family)
            for name in self.losses
        ]
        effort = replace(SMOKE, confirm_budget_s=self.budget_s)
        journal = Mock(checks=Mock(return_value=None), resumed=None)
        measured = Measuring(
            resources=Mock(),
            conditions=Conditions(
                placements=PLACEMENTS, effort=effort, timeout_s=1, scratch=Path("unused"), journal=journal
            ),
            injected=self.injected,
            progress=ProgressLine(Console(file=self.printed, width=200)),
            ledger=self.ledger,
            baseline_arm=self.baseline_arm,
            undecided=self._undecided,
        ).measured(cases)
        self.errors = {name: error for name, error in measured.outcomes.items() if isinstance(error, PerfError)}
        return {name: outcome for name, outcome in measured.outcomes.items() if isinstance(outcome, Outcome)}

    def _undecided(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        undecided = [
            outcome
            for outcome in outcomes
            if isinstance(outcome.baseline_arm, BaselineArm)
            and self.engine.confirmed.count(outcome.case.id) < self.decided_after
        ]
        return sorted(undecided, key=lambda outcome: -self.losses[outcome.case.id])
