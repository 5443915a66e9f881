"""What came of one case."""

from dataclasses import dataclass
from typing import Any

from perf.facts import CheckFacts
from perf.measure.family import Case, Checked
from perf.measure.plan import Plan, Variant
from perf.measure.results import Failure, WorkloadResult
from perf.measure.stacks import OF_BASELINE, BaselineArm


@dataclass(frozen=True)
class Outcome:
    """A case's plan, its workload's result, what its family observed before, and why it failed, if it did.
    `confirmation` holds what was remeasured because screening left it undecided. `baseline_arm` is what ran side by
    side with it on the baseline's stack, or why nothing did although the stacks differ; None where they do not.
    """

    plan: Plan[Any]
    case: Case
    result: WorkloadResult
    confirmation: WorkloadResult
    check: Checked[CheckFacts]
    baseline_arm: BaselineArm | str | None = None

    @property
    def variant(self) -> Variant[Any]:
        """The variant of the plan that the case runs."""
        return next(variant for variant in self.plan.variants if variant.name == self.case.variant)

    @property
    def whole(self) -> WorkloadResult:
        """Everything that was measured of the workload."""
        invocations = (*self.result.invocations, *self.confirmation.invocations)
        return WorkloadResult(invocations, {**self.result.failures, **self.confirmation.failures})

    @property
    def failure(self) -> Failure | None:
        """Why the case has no result, or None."""
        return self.whole.failures.get(self.case.variant)

    @property
    def baseline_arm_failure(self) -> Failure | None:
        """Why its twin has no result, or None."""
        return self.whole.failures.get(self.case.variant + OF_BASELINE)
