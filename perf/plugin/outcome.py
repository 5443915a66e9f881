"""What came of one case."""

from dataclasses import dataclass

from perf.measure.family import Case, Checked
from perf.measure.plan import Plan
from perf.measure.results import Failure, WorkloadResult

# A variant's name and this: the same variant with the wheel that the baseline was measured with.
OF_BASELINE = "@baseline"


@dataclass(frozen=True)
class Outcome:
    """A case's plan, its workload's result, what its family found out before, and why it failed, if it did. `again`
    holds what was measured because the first look settled nothing, side by side with the wheel of the baseline when
    there is a `beside_wheel`.
    """

    plan: Plan
    case: Case
    result: WorkloadResult
    again: WorkloadResult
    check: Checked
    beside_wheel: str | None = None

    @property
    def whole(self) -> WorkloadResult:
        """Everything that was measured of the workload."""
        invocations = (*self.result.invocations, *self.again.invocations)
        return WorkloadResult(invocations, {**self.result.failures, **self.again.failures})

    @property
    def failure(self) -> Failure | None:
        """Why the case has no result, or None."""
        return self.whole.failures.get(self.case.variant)
