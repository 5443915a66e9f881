"""Measuring the selected cases of all families: prepared and checked, a first look, and a second where it is needed."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from perf.builds import Build
from perf.errors import PerfError
from perf.judge.verdict import LOOKS
from perf.measure.engine import Conditions, measure
from perf.measure.family import Case, Checked, Resources
from perf.measure.limit import measure_limits
from perf.measure.plan import Effort, Plan, Variant
from perf.measure.results import Spent, WorkloadResult
from perf.plugin.outcome import OF_BASELINE, Outcome
from perf.report.progress import ProgressLine

# What is measured because the first look did not settle a case; shown to the user as "second look 1".
AGAIN = "second look"
NOTHING = WorkloadResult((), {})
# How long it takes, roughly, until the workers of a pair are up and warm.
STARTING_S = 3.0
Checks = Mapping[str, Mapping[str, Checked]]


@dataclass(frozen=True)
class Measured:
    """What came of each case, by its id, or the error of a subject that could not be prepared for all of its cases; and
    what each build reached in GFLOP/s in large matrix products.
    """

    outcomes: Mapping[str, Outcome | PerfError]
    limits: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Measuring:
    """What is needed to measure cases. `injected` are slowdowns made on purpose, as shares by variant. `unsettled` says
    how much slower a case seems that must be measured (once more) again, as a log ratio, and None of any other;
    `of_baseline` finds the build that the baseline was measured with in the role of another one, when it can be had.
    """

    resources: Resources
    conditions: Conditions
    injected: Mapping[str, float]
    progress: ProgressLine
    spent: Spent
    unsettled: Callable[[Outcome], float | None]
    of_baseline: Callable[[Build], Build | None]

    def measured(self, selected: Sequence[Case]) -> Measured:
        """Measure the cases. PerfError when one is to be slowed down that there is not."""
        errors, plans, checks = self._prepared(selected)
        # The same wheel in another environment would only be measured twice.
        builds = {variant.build.record_sha256: variant.build for plan in plans for variant in plan.variants}
        limits = measure_limits(list(builds.values()), self.conditions, self.progress.tell, self.spent)
        results = self._measure(plans, checks, self.conditions)
        measured = {
            case.id: Outcome(plan, case, results[case.workload], NOTHING, checks[plan.subject][case.variant])
            for plan in plans
            for case in selected
            if case.subject == plan.subject
        }
        return Measured({**errors, **self._second_looks(measured, plans, checks)}, limits)

    def _prepared(self, selected: Sequence[Case]) -> tuple[dict[str, PerfError], list[Plan], Checks]:
        """Every subject planned and checked: the errors by case, the plans, and what was found out by subject."""
        errors: dict[str, PerfError] = {}
        plans: list[Plan] = []
        checks: dict[str, Mapping[str, Checked]] = {}
        subjects: dict[tuple[str, str], list[Case]] = {}
        for case in selected:
            subjects.setdefault((case.family.name, case.subject), []).append(case)
        for (_, subject), cases in subjects.items():
            try:
                plan = cases[0].family.plan(subject, cases, self.resources)
                checks[subject] = self._checks(plan, cases[0])
                plans.append(plan)
            except PerfError as error:
                errors |= dict.fromkeys((case.id for case in cases), error)
        return errors, _slowed(plans, self.injected), checks

    def _second_looks(
        self, measured: Mapping[str, Outcome], plans: Sequence[Plan], checks: Checks
    ) -> dict[str, Outcome]:
        """All outcomes, those that needed it measured again, as often as the budget allows."""
        effort = self.conditions.effort
        found, left_s = dict(measured), effort.again_budget_s
        for look in range(1, LOOKS + 1):
            affordable = int(left_s / (effort.again_invocations * (effort.block_budget_s + STARTING_S)))
            suspects = self._suspects(found.values())[: max(0, affordable)]
            started_s = time.monotonic()
            for variant in dict.fromkeys(outcome.case.variant for outcome in suspects):
                alike = [outcome for outcome in suspects if outcome.case.variant == variant]
                found |= self._look_again(look, alike, plans, checks)
            left_s -= time.monotonic() - started_s
        left = sum(outcome.again is NOTHING for outcome in self._suspects(found.values()))
        if left:
            told = (
                f"{left} more cases should be measured again, and the {effort.again_budget_s:g} s for that are spent."
            )
            self.progress.say(told)
        return found

    def _suspects(self, outcomes: Iterable[Outcome]) -> list[Outcome]:
        """The cases that must be measured (once more) again, those that seem slowest first."""
        sound = [outcome for outcome in outcomes if not outcome.failure]
        seeming = [(loss, outcome) for outcome in sound if (loss := self.unsettled(outcome)) is not None]
        return [outcome for _, outcome in sorted(seeming, key=lambda pair: -pair[0])]

    def _look_again(
        self, look: int, suspects: Sequence[Outcome], plans: Sequence[Plan], checks: Checks
    ) -> dict[str, Outcome]:
        """Measure cases of one variant again, after everything else: what disturbed the first look has then passed.
        Each runs side by side with its twin and nothing else, or with its reference when it can have no twin.
        """
        cases = {plan.subject: [o.case for o in suspects if o.plan is plan] for plan in plans}
        again = [_narrowed(plan, cases[plan.subject], self._twin) for plan in plans if cases[plan.subject]]
        wheels = {v.name: v.build.requirement for plan in again for v in plan.variants if v.name.endswith(OF_BASELINE)}
        count = look * self.conditions.effort.again_invocations
        # As many blocks as the budget allows: only unsettled cases come here, and they are to be settled.
        again = [_harder(plan, plan.effort or self.conditions.effort, count) for plan in again]
        phase = " beside ".join([f"{AGAIN} of {suspects[0].case.variant}", *sorted(set(wheels.values()))])
        conditions = replace(self.conditions, phase=phase)
        repeated = self._measure(again, checks, conditions)
        for workload, result in repeated.items():
            for twin in result.failures.keys() & wheels.keys():
                self.progress.say(f"{workload} {twin} cannot be measured side by side: {result.failures[twin].what}")
        return {
            outcome.case.id: replace(
                outcome,
                again=repeated[outcome.case.workload],
                beside_wheel=wheels.get(outcome.case.variant + OF_BASELINE),
            )
            for outcome in suspects
        }

    def _twin(self, variant: Variant) -> Variant | None:
        """The same variant with the baseline's own wheel, if that can be had; never slowed down on purpose."""
        build = self.of_baseline(variant.build)
        name = variant.name + OF_BASELINE
        return replace(variant, name=name, build=build, over=(), extra_work=0.0) if build else None

    def _measure(self, plans: Sequence[Plan], checks: Checks, conditions: Conditions) -> dict[str, WorkloadResult]:
        problems = {
            subject: {name: check.problem for name, check in found.items() if check.problem}
            for subject, found in checks.items()
        }
        self.progress.restart()
        return measure(plans, problems, conditions, self.progress.tell, self.spent)

    def _checks(self, plan: Plan, case: Case) -> Mapping[str, Checked]:
        journal = self.conditions.journal
        checks = journal.checks(plan.subject)
        if checks is None:
            self.progress.tell(f"{plan.subject}: checking answers", 0.0)
            checks = case.family.check(plan, self.resources)
            journal.keep_checks(plan.subject, checks)
        return checks


def _narrowed(plan: Plan, cases: Sequence[Case], twin_of: Callable[[Variant], Variant | None]) -> Plan:
    """What of a plan must be measured again for these of its cases, all of one variant: their workloads, the variant
    and its twin; all that it is judged over when it has no twin.
    """
    suspect = next(variant for variant in plan.variants if variant.name == cases[0].variant)
    twin = twin_of(suspect)
    others = [twin] if twin else [variant for variant in plan.variants if variant.name in suspect.over]
    workloads = {case.workload for case in cases}
    return replace(
        plan,
        workloads=tuple(workload for workload in plan.workloads if workload.name in workloads),
        variants=(*others, suspect),
        reference=others[0].name,
    )


def _harder(plan: Plan, effort: Effort, count: int) -> Plan:
    """The plan, measured in exactly so many invocations."""
    return replace(plan, effort=replace(effort, min_invocations=count, max_invocations=count, precision=0.0))


def _slowed(plans: Sequence[Plan], injected: Mapping[str, float]) -> list[Plan]:
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
