"""Measuring the selected cases of all families: prepared, checked, measured, and again what is left undecided."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from perf.errors import PerfError
from perf.facts import CheckFacts
from perf.judge.judgement import MAX_EVALUATIONS
from perf.machine import free_bytes, shortage
from perf.measure.engine import Conditions, measure
from perf.measure.family import Case, Checked, Resources, subject_of, workload_of
from perf.measure.ledger import Ledger
from perf.measure.outcome import Outcome
from perf.measure.peak import measure_peaks
from perf.measure.plan import Plan, SubjectKey, Variant, WorkloadKey
from perf.measure.results import WorkloadResult
from perf.measure.resuming import resumed
from perf.measure.stacks import BaselineArm, stacks_of

NOTHING = WorkloadResult((), {})
SMALLER = "choose a smaller batch or shape, fewer instances or ranks, or a machine with more memory"
Checks = Mapping[SubjectKey, Mapping[str, Checked[CheckFacts]]]
BaselineArms = Mapping[str, BaselineArm | str]


class Progress(Protocol):
    """Where a user sees what is being done."""

    def say(self, line: str) -> None:
        """Print a line that stays."""

    def tell(self, text: str, done: float) -> None:
        """Show what is being done, and which share of it all is done."""

    def restart(self) -> None:
        """Begin to reckon the time to go anew."""


@dataclass(frozen=True)
class Measured:
    """What came of each case, by its id, or the error of a subject that could not be prepared for all of its cases; and
    what each build reached in GFLOP/s in large matrix products.
    """

    outcomes: Mapping[str, Outcome | PerfError]
    limits: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Measuring:
    """What is needed to measure cases. `injected` are slowdowns made on purpose, as shares by variant. `baseline_arm`
    makes the baseline arm of a variant for its cases, or says why there is none; None where it runs what the baseline
    ran. `undecided` orders the cases that need confirmation, the most important first.
    """

    resources: Resources
    conditions: Conditions
    injected: Mapping[str, float]
    progress: Progress
    ledger: Ledger
    baseline_arm: Callable[[Plan[Any], Variant[Any], Sequence[Case]], BaselineArm | str | None]
    undecided: Callable[[Sequence[Outcome]], Sequence[Outcome]]

    def measured(self, selected: Sequence[Case]) -> Measured:
        """Measure the cases. PerfError when one is to be slowed down that there is not."""
        errors, plans, checks = self._prepared(selected)
        selected = [case for case in selected if case.id not in errors]
        with self.ledger.stage("preparing"):
            baseline_arms = {plan.key: self._baseline_arms(plan, selected) for plan in plans}
        plans = [_side_by_side(plan, baseline_arms[plan.key]) for plan in plans]
        # The same wheel in another environment would only be measured twice.
        variants = [variant for plan in plans for variant in plan.variants if not variant.baseline_arm_of]
        builds = {variant.build.content_sha256: variant.build for variant in variants}
        limits = measure_peaks(list(builds.values()), self.conditions, self.progress.tell, self.ledger)
        results = self._measure(plans, checks, self.conditions)
        outcomes = {
            case.id: Outcome(
                plan,
                case,
                results[workload_of(case)],
                NOTHING,
                checks[plan.key][case.variant],
                baseline_arms[plan.key].get(case.variant),
            )
            for plan in plans
            for case in selected
            if subject_of(case) == plan.key
        }
        return Measured({**errors, **self._confirmations(outcomes, checks)}, limits)

    def _prepared(self, selected: Sequence[Case]) -> tuple[dict[str, PerfError], list[Plan[Any]], Checks]:
        """Every subject planned and checked: the errors by case, the plans, and what was found out by subject."""
        errors: dict[str, PerfError] = {}
        plans: list[Plan[Any]] = []
        checks: dict[SubjectKey, Mapping[str, Checked[CheckFacts]]] = {}
        subjects: dict[SubjectKey, list[Case]] = {}
        for case in selected:
            subjects.setdefault(subject_of(case), []).append(case)
        for key, cases in subjects.items():
            try:
                with self.ledger.stage("preparing"):
                    plan = cases[0].family.plan(key.subject, cases, self.resources)
                    plan, short = self._fitting(plan, cases)
                errors |= short
                if not plan.workloads:
                    continue
                with self.ledger.stage("checking answers"):
                    checks[key] = self._checks(plan, cases[0])
                plans.append(plan)
            except (PerfError, OSError, MemoryError) as error:
                errors |= dict.fromkeys((case.id for case in cases), _told(key, error))
        return errors, _slowed(plans, self.injected), checks

    def _fitting(self, plan: Plan[Any], cases: Sequence[Case]) -> tuple[Plan[Any], dict[str, PerfError]]:
        """The plan without the workloads that need more memory than is free, and the errors of their cases."""
        needs, free = cases[0].family.memory_bytes(plan, self.resources), free_bytes()
        short = {name: why for name, need in needs.items() if (why := shortage(need, free))}
        errors = {
            case.id: PerfError(short[case.workload], subject=case.workload, next_step=SMALLER)
            for case in cases
            if case.workload in short
        }
        return replace(plan, workloads=tuple(w for w in plan.workloads if w.name not in short)), errors

    def _baseline_arms(self, plan: Plan[Any], selected: Sequence[Case]) -> dict[str, BaselineArm | str]:
        """The twins of a plan's variants by variant, or why one that is needed cannot be had."""
        cases: dict[str, list[Case]] = {}
        for case in selected:
            if subject_of(case) == plan.key:
                cases.setdefault(case.variant, []).append(case)
        found = {v.name: self.baseline_arm(plan, v, cases[v.name]) for v in plan.variants if v.name in cases}
        for name, baseline_arm in found.items():
            if isinstance(baseline_arm, str):
                self.progress.say(f"{plan.subject} {name}: nothing runs beside it: {baseline_arm}")
        return {name: baseline_arm for name, baseline_arm in found.items() if baseline_arm is not None}

    def _confirmations(self, outcomes: Mapping[str, Outcome], checks: Checks) -> dict[str, Outcome]:
        """All outcomes. What is undecided is measured again beside its twin, one case after the other: the one that
        matters most is taken to its verdict before the next is begun. The budget is what is really spent.
        """
        found, given_up = dict(outcomes), set[str]()
        ends_s = time.monotonic() + self.conditions.effort.confirm_budget_s
        while suspects := self._suspects(found, given_up):
            suspect = suspects[0].case.id
            for look in range(1, MAX_EVALUATIONS):
                if time.monotonic() >= ends_s:
                    names = ", ".join(outcome.case.id for outcome in suspects)
                    self.progress.say(f"The time for confirmations is spent; undecided: {names}")
                    return found
                with self.ledger.within("confirmations"):
                    found[suspect] = self._look_again(look, found[suspect], checks)
                if not any(outcome.case.id == suspect for outcome in self._suspects(found, given_up)):
                    break
            given_up.add(suspect)
        return found

    def _suspects(self, outcomes: Mapping[str, Outcome], given_up: set[str]) -> list[Outcome]:
        sound = [outcome for outcome in outcomes.values() if not outcome.failure and not outcome.baseline_arm_failure]
        return [outcome for outcome in self.undecided(sound) if outcome.case.id not in given_up]

    def _look_again(self, look: int, suspect: Outcome, checks: Checks) -> Outcome:
        """Measure a case in some more invocations, side by side with its twin and nothing else."""
        if not isinstance(suspect.baseline_arm, BaselineArm):
            raise TypeError(f"{suspect.case.id} has no twin")
        effort = suspect.plan.effort or self.conditions.effort
        count = look * self.conditions.effort.confirm_invocations
        plan = replace(
            suspect.plan,
            workloads=tuple(w for w in suspect.plan.workloads if w.name == suspect.case.workload),
            variants=(suspect.baseline_arm.variant, suspect.variant),
            reference=suspect.baseline_arm.variant.name,
            effort=replace(effort, min_invocations=count, max_invocations=count),
        )
        conditions = replace(self.conditions, confirming=suspect.case.variant)
        return replace(suspect, confirmation=self._measure([plan], checks, conditions)[workload_of(suspect.case)])

    def _measure(
        self, plans: Sequence[Plan[Any]], checks: Checks, conditions: Conditions
    ) -> dict[WorkloadKey, WorkloadResult]:
        problems = {
            key: {name: check.problem for name, check in found.items() if check.problem}
            for key, found in checks.items()
        }
        for line in resumed(plans, conditions):
            self.progress.say(line)
        self.progress.restart()
        return measure(plans, problems, conditions, self.progress.tell, self.ledger)

    def _checks(self, plan: Plan[Any], case: Case) -> Mapping[str, Checked[CheckFacts]]:
        journal = self.conditions.journal
        stacks = stacks_of(plan, self.conditions.placements)
        checks = journal.checks(plan.key, stacks)
        if checks is None:
            self.progress.tell(f"{plan.subject}: checking answers", 0.0)
            checks = case.family.check(plan, self.resources)
            journal.keep_checks(plan.key, stacks, checks)
        return checks


def _told(subject: SubjectKey, error: Exception) -> PerfError:
    """Why a subject could not be prepared or checked, as the error of its cases."""
    if isinstance(error, PerfError):
        return error
    if isinstance(error, MemoryError):
        what = f"there was not enough memory to prepare and check it: {error}".rstrip(": ")
        return PerfError(what, subject=subject.subject, next_step=SMALLER)
    step = "see to the file or program that is named, then run again"
    return PerfError(f"preparing or checking it failed: {error}", subject=subject.subject, next_step=step)


def _side_by_side(plan: Plan[Any], baseline_arms: BaselineArms) -> Plan[Any]:
    """The plan with its twins, each beside its variant: they share all blocks."""
    variants: list[Variant[Any]] = []
    for variant in plan.variants:
        baseline_arm = baseline_arms.get(variant.name)
        variants += [baseline_arm.variant, variant] if isinstance(baseline_arm, BaselineArm) else [variant]
    return replace(plan, variants=tuple(variants))


def _slowed(plans: Sequence[Plan[Any]], injected: Mapping[str, float]) -> list[Plan[Any]]:
    """The plans with slowdowns made on purpose. PerfError when none of them has such a variant."""
    names = {variant.name for plan in plans for variant in plan.variants}
    for name in injected:
        if plans and name not in names:
            step = f"name one of {', '.join(sorted(names))}"
            raise PerfError(f"no selected case has a variant {name}", subject="--perf-inject", next_step=step)
    return [
        replace(plan, variants=tuple(replace(v, extra_work=injected.get(v.name, 0.0)) for v in plan.variants))
        for plan in plans
    ]
