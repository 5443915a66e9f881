"""Measuring the selected cases of all families: prepare, check, measure, and confirm what is undecided."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from perf.errors import PerfError
from perf.facts import CheckFacts
from perf.judge.judgement import MAX_EVALUATIONS
from perf.machine import free_bytes, shortage, this_cpu_has
from perf.measure.engine import Conditions, Show, measure
from perf.measure.family import Case, Checked, Resources, subject_of, workload_of
from perf.measure.forecast import Forecast, check_s, confirming_s
from perf.measure.ledger import Ledger
from perf.measure.outcome import SMALLER, Outcome, as_errors, unavailable_cases
from perf.measure.peak import MachineRates, machine_rates, measure_peaks, probed
from perf.measure.plan import Plan, SubjectKey, Variant, WorkloadKey
from perf.measure.results import WorkloadResult
from perf.measure.stacks import BaselineArm, stacks_of
from perf.wording import counted

NOTHING = WorkloadResult((), {})
Checks = Mapping[SubjectKey, Mapping[str, Checked[CheckFacts]]]
BaselineArms = Mapping[str, BaselineArm | str]


class Progress(Protocol):
    """Where a user sees what is being done."""

    def say(self, line: str) -> None:
        """Print a line that stays."""

    def show(self, text: str, left_s: float) -> None:
        """Show what is being done now, and how many seconds everything still takes."""


@dataclass(frozen=True)
class Measured:
    """The results of all cases.

    outcomes: the outcome of each case, by its id; an error where its subject could not be prepared.
    rates: how fast the machine and each build's BLAS compute.
    """

    outcomes: Mapping[str, Outcome | PerfError]
    rates: MachineRates = field(default_factory=MachineRates)


@dataclass(frozen=True, kw_only=True)
class Measuring:
    """What is needed to measure cases.

    resources: what families may use to prepare and check their cases.
    conditions: how to measure.
    injected: slowdowns made on purpose, as fractions of a pass, by variant.
    progress: where to report what is being done.
    ledger: where to book the wall time.
    baseline_arm: returns the baseline arm of a variant for its cases, or why it cannot have one; None where the stack
        is the baseline's.
    undecided: returns the outcomes that need confirmation, the most important first.
    afterwards_s: the seconds that the session takes after measuring; used only to estimate remaining time.
    """

    resources: Resources
    conditions: Conditions
    injected: Mapping[str, float]
    progress: Progress
    ledger: Ledger
    baseline_arm: Callable[[Plan[Any], Variant[Any], Sequence[Case]], BaselineArm | str | None]
    undecided: Callable[[Sequence[Outcome]], Sequence[Outcome]]
    afterwards_s: float = 0.0

    def measured(self, selected: Sequence[Case]) -> Measured:
        """Measure the cases. Raises PerfError when `injected` names a variant that none of them has."""
        errors, planned = self._planned(selected)
        selected = [case for case in selected if case.id not in errors]
        slowed = _slowed(planned, self.injected)
        with self.ledger.stage("preparing"):
            baseline_arms = {plan.key: self._baseline_arms(plan, selected) for plan in slowed}
        plans = [_side_by_side(plan, baseline_arms[plan.key]) for plan in slowed]
        checks, unchecked = self._checked(planned, selected, self._left_s(plans))
        errors |= unchecked
        selected = [case for case in selected if case.id not in errors]
        plans = [plan for plan in plans if plan.key in checks]
        # The same wheel in two environments has the same peak.
        variants = [variant for plan in plans for variant in plan.variants if not variant.baseline_arm_of]
        builds = {variant.build.content_sha256: variant.build for variant in variants}
        show = self._showing(later_s=self._left_s(plans))
        probes = probed(self.conditions, self.ledger)
        peaks = measure_peaks(list(builds.values()), self.conditions, show, self.ledger)
        results = self._measure(plans, checks, self.conditions, later_s=confirming_s(plans, self.conditions.effort))
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
        confirmed = self._confirmed(outcomes, checks)
        probes += probed(self.conditions, self.ledger)
        return Measured({**errors, **confirmed}, machine_rates(list(builds.values()), peaks, probes))

    def _planned(self, selected: Sequence[Case]) -> tuple[dict[str, PerfError], list[Plan[Any]]]:
        """Plan every subject. Return the errors by case, and the plans."""
        errors: dict[str, PerfError] = {}
        plans: list[Plan[Any]] = []
        for key, cases in _by_subject(selected).items():
            with self.ledger.stage("preparing"), as_errors(errors, key, cases):
                plan = cases[0].family.plan(key.subject, cases, self.resources)
                plan, short = self._fitting(plan, cases)
                errors |= short | unavailable_cases(plan, cases)
                plans += [plan] if any(case.id not in errors for case in cases) else []
        return errors, plans

    def _checked(
        self, plans: Sequence[Plan[Any]], selected: Sequence[Case], later_s: float
    ) -> tuple[Checks, dict[str, PerfError]]:
        """Check every plan. Return the checks by subject, and the errors by case. What follows takes `later_s`."""
        errors: dict[str, PerfError] = {}
        checks: dict[SubjectKey, Mapping[str, Checked[CheckFacts]]] = {}
        cases = _by_subject(selected)
        avx512 = this_cpu_has("avx512")
        for number, plan in enumerate(plans):
            left_s = later_s + sum(check_s(each, avx512=avx512) for each in plans[number:])
            with self.ledger.stage("checking answers"), as_errors(errors, plan.key, cases[plan.key]):
                checks[plan.key] = self._checks(plan, cases[plan.key][0], left_s)
        return checks, errors

    def _left_s(self, plans: Sequence[Plan[Any]]) -> float:
        """How many seconds screening and confirming these plans takes."""
        effort, latencies, placements = self.conditions.effort, self.conditions.latencies, self.conditions.placements
        forecast = Forecast(plans, effort, latencies, placements[0].threads)
        return forecast.whole_s + confirming_s(plans, effort)

    def _showing(self, *, later_s: float) -> Show:
        """What shows the progress of work after which everything else that is measured takes `later_s`."""
        return lambda text, left_s: self.progress.show(text, left_s + later_s + self.afterwards_s)

    def _fitting(self, plan: Plan[Any], cases: Sequence[Case]) -> tuple[Plan[Any], dict[str, PerfError]]:
        """Return the plan without the workloads that need more memory than is free, and the errors of their cases."""
        needs, free = cases[0].family.memory_bytes(plan, self.resources), free_bytes()
        short = {name: why for name, need in needs.items() if (why := shortage(need, free))}
        errors = {
            case.id: PerfError(short[case.workload], subject=case.workload, next_step=SMALLER)
            for case in cases
            if case.workload in short
        }
        return replace(plan, workloads=tuple(w for w in plan.workloads if w.name not in short)), errors

    def _baseline_arms(self, plan: Plan[Any], selected: Sequence[Case]) -> dict[str, BaselineArm | str]:
        """Return the baseline arms of a plan by variant, or why a variant that needs one cannot have it."""
        cases: dict[str, list[Case]] = {}
        for case in selected:
            if subject_of(case) == plan.key:
                cases.setdefault(case.variant, []).append(case)
        arms = {v.name: self.baseline_arm(plan, v, cases[v.name]) for v in plan.variants if v.name in cases}
        for name, arm in arms.items():
            if isinstance(arm, str):
                self.progress.say(f"{plan.subject} {name}: the baseline cannot run side by side with it: {arm}")
        return {name: arm for name, arm in arms.items() if arm is not None}

    def _confirmed(self, outcomes: Mapping[str, Outcome], checks: Checks) -> dict[str, Outcome]:
        """Return all outcomes after confirming what is undecided, until the budget of wall time is spent.

        Cases are confirmed one after the other: the most important one gets all its confirmations before the next.
        """
        confirmed, finished = dict(outcomes), set[str]()
        deadline_s = time.monotonic() + self.conditions.effort.confirm_budget_s
        while suspects := self._suspects(confirmed, finished):
            suspect = suspects[0].case.id
            for confirmation in range(1, MAX_EVALUATIONS):
                if time.monotonic() >= deadline_s:
                    names = ", ".join(outcome.case.id for outcome in suspects)
                    self.progress.say(f"The time for confirmations is spent; undecided: {names}")
                    return confirmed | {o.case.id: confirmed[o.case.id].ended("confirmation budget") for o in suspects}
                others_s = min(deadline_s - time.monotonic(), sum(map(self._confirmation_s, suspects[1:])))
                with self.ledger.within("confirmations"):
                    confirmed[suspect] = self._confirm(confirmation, confirmed[suspect], checks, others_s)
                if not any(outcome.case.id == suspect for outcome in self._suspects(confirmed, finished)):
                    confirmed[suspect] = confirmed[suspect].ended("decided")
                    break
            else:
                confirmed[suspect] = confirmed[suspect].ended("confirmations")
            finished.add(suspect)
        return confirmed

    def _suspects(self, outcomes: Mapping[str, Outcome], finished: set[str]) -> list[Outcome]:
        sound = [outcome for outcome in outcomes.values() if not outcome.failure and not outcome.baseline_arm_failure]
        return [outcome for outcome in self.undecided(sound) if outcome.case.id not in finished]

    def _confirmation_s(self, suspect: Outcome) -> float:
        """How many seconds the first confirmation of a case takes: that many invocations like those of screening."""
        elapsed_s = [invocation.elapsed_s for invocation in suspect.result.invocations]
        return self.conditions.effort.confirm_invocations * sum(elapsed_s) / max(1, len(elapsed_s))

    def _confirm(self, confirmation: int, suspect: Outcome, checks: Checks, later_s: float) -> Outcome:
        """Measure a case in further invocations, side by side with its baseline arm and nothing else. What follows
        takes `later_s`.
        """
        if not isinstance(suspect.baseline_arm, BaselineArm):
            raise TypeError(f"{suspect.case.id} has no baseline arm")
        effort = suspect.plan.effort or self.conditions.effort
        count = confirmation * self.conditions.effort.confirm_invocations
        plan = replace(
            suspect.plan,
            workloads=tuple(w for w in suspect.plan.workloads if w.name == suspect.case.workload),
            variants=(suspect.baseline_arm.variant, suspect.variant),
            reference=suspect.baseline_arm.variant.name,
            effort=replace(effort, min_invocations=count, max_invocations=count),
        )
        conditions = replace(self.conditions, confirming=suspect.case.variant)
        results = self._measure([plan], checks, conditions, later_s=later_s)
        return replace(suspect, confirmation=results[workload_of(suspect.case)], confirmations=confirmation)

    def _measure(
        self, plans: Sequence[Plan[Any]], checks: Checks, conditions: Conditions, *, later_s: float
    ) -> dict[WorkloadKey, WorkloadResult]:
        problems = {
            key: {name: check.problem for name, check in by_variant.items() if check.problem}
            for key, by_variant in checks.items()
        }
        for line in reuse_of(plans, conditions):
            self.progress.say(line)
        return measure(plans, problems, conditions, self._showing(later_s=later_s), self.ledger)

    def _checks(self, plan: Plan[Any], case: Case, left_s: float) -> Mapping[str, Checked[CheckFacts]]:
        journal = self.conditions.journal
        stacks = stacks_of(plan, self.conditions.placements)
        checks = journal.checks(plan.key, stacks)
        if checks is None:
            self._showing(later_s=0.0)(f"{plan.subject}: checking answers", left_s)
            checks = case.family.check(plan, self.resources)
            journal.record_checks(plan.key, stacks, checks)
        return checks


def _by_subject(selected: Sequence[Case]) -> dict[SubjectKey, list[Case]]:
    subjects: dict[SubjectKey, list[Case]] = {}
    for case in selected:
        subjects.setdefault(subject_of(case), []).append(case)
    return subjects


def _side_by_side(plan: Plan[Any], baseline_arms: BaselineArms) -> Plan[Any]:
    """Return the plan with each variant's baseline arm side by side with it: the two share all blocks."""
    variants: list[Variant[Any]] = []
    for variant in plan.variants:
        arm = baseline_arms.get(variant.name)
        variants += [arm.variant, variant] if isinstance(arm, BaselineArm) else [variant]
    return replace(plan, variants=tuple(variants))


def _slowed(plans: Sequence[Plan[Any]], injected: Mapping[str, float]) -> list[Plan[Any]]:
    """Return the plans with injected slowdowns. Raises PerfError when none of them has such a variant."""
    names = {variant.name for plan in plans for variant in plan.variants}
    for name in injected:
        if plans and name not in names:
            step = f"name one of {', '.join(sorted(names))}"
            raise PerfError(f"no selected case has a variant {name}", subject="--perf-inject", next_step=step)
    return [
        replace(plan, variants=tuple(replace(v, extra_work=injected.get(v.name, 0.0)) for v in plan.variants))
        for plan in plans
    ]


def reuse_of(plans: Sequence[Plan[Any]], conditions: Conditions) -> Iterator[str]:
    """Yield, a line each, how many of the invocations that the plans need come from an earlier session, and which are
    dropped and why; nothing in a new session.
    """
    journal = conditions.journal
    if journal.resumed is None:
        return
    reused = needed = 0
    dropped: list[str] = []
    for plan in plans:
        stacks = stacks_of(plan, conditions.placements)
        least = (plan.effort or conditions.effort).min_invocations
        for workload in plan.workloads:
            key = plan.key_of(workload)
            available = len(journal.result(key, conditions.confirming, stacks).invocations)
            reused += available
            needed += max(available, least)
            reasons = Counter(journal.dropped(key, conditions.confirming, stacks))
            dropped += [
                f"{workload.name}: dropped {counted(count, 'earlier invocation')}: {reason}"
                for reason, count in reasons.items()
            ]
    if reused or conditions.confirming is None:
        yield f"Reusing {reused} of {counted(needed, 'invocation')} from the session of {journal.resumed}"
    yield from dropped
