"""The outcome of one case."""

from dataclasses import dataclass
from typing import Any

from perf.facts import CheckFacts
from perf.measure.family import Case, Checked
from perf.measure.plan import Plan, Variant
from perf.measure.results import Failure, WorkloadResult
from perf.measure.stacks import OF_BASELINE, BaselineArm


@dataclass(frozen=True)
class Outcome:
    """Everything that was measured for one case.

    plan: its plan.
    case: the case.
    result: the screening of its workload.
    confirmation: what was remeasured because screening left the case undecided.
    check: what its family observed before timing.
    baseline_arm: what ran side by side with it on the baseline's stack, or why nothing did although the stacks differ;
        None where they do not differ.
    """

    plan: Plan[Any]
    case: Case
    result: WorkloadResult
    confirmation: WorkloadResult
    check: Checked[CheckFacts]
    baseline_arm: BaselineArm | str | None = None

    @property
    def variant(self) -> Variant[Any]:
        """Return the variant of the plan that the case runs."""
        return next(variant for variant in self.plan.variants if variant.name == self.case.variant)

    @property
    def whole(self) -> WorkloadResult:
        """Return screening and confirmation as one result."""
        invocations = (*self.result.invocations, *self.confirmation.invocations)
        return WorkloadResult(invocations, {**self.result.failures, **self.confirmation.failures})

    @property
    def failure(self) -> Failure | None:
        """Return why the case has no result; None when it has one."""
        return self.whole.failures.get(self.case.variant)

    @property
    def baseline_arm_failure(self) -> Failure | None:
        """Return why its baseline arm has no result; None when it has one."""
        return self.whole.failures.get(self.case.variant + OF_BASELINE)
