"""The outcome of one case, or the error that kept it from being measured."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from perf.errors import PerfError, UnavailableError
from perf.facts import CheckFacts
from perf.judge.speedup import estimate_speedup, observe
from perf.measure.family import Case, Checked
from perf.measure.plan import Plan, SubjectKey, Variant
from perf.measure.results import Failure, StopReason, WorkloadResult
from perf.measure.stacks import OF_BASELINE, BaselineArm
from perf.measure.tiers import Effort

# What each reason means, as the end of a sentence.
STOP_MEANINGS: Mapping[StopReason, str] = {
    "precise": "every speedup of the workload was as precise as the tier asks for",
    "invocations": "the tier's largest number of invocations was measured",
    "budget": "the tier's time for a workload was spent",
    "nothing left": "a variant failed, so that nothing was left to compare",
    "decided": "a confirmation decided it",
    "confirmations": "the last confirmation had left it undecided",
    "confirmation budget": "the tier's time for confirmations was spent, and it was undecided",
}
# What to do about a case that needs too much memory.
SMALLER = "choose a smaller batch or shape, fewer instances or ranks, or a machine with more memory"


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
    confirmations: how often it was confirmed.
    confirmed_until: why its confirmations stopped; None while screening is all.
    """

    plan: Plan[Any]
    case: Case
    result: WorkloadResult
    confirmation: WorkloadResult
    check: Checked[CheckFacts]
    baseline_arm: BaselineArm | str | None = None
    confirmations: int = 0
    confirmed_until: StopReason | None = None

    @property
    def variant(self) -> Variant[Any]:
        """Return the variant of the plan that the case runs."""
        return next(variant for variant in self.plan.variants if variant.name == self.case.variant)

    @property
    def whole(self) -> WorkloadResult:
        """Return screening and confirmation as one result."""
        invocations = (*self.result.invocations, *self.confirmation.invocations)
        return WorkloadResult(invocations, {**self.result.failures, **self.confirmation.failures})

    def ended(self, why: StopReason) -> "Outcome":
        """Return it after its last confirmation, which was that because something failed, or else for this reason."""
        failed = self.failure or self.baseline_arm_failure
        return replace(self, confirmed_until="nothing left" if failed else why)

    @property
    def stopped(self) -> StopReason | None:
        """Return why measuring it stopped; None when that is unknown."""
        return self.confirmed_until or self.result.stopped

    @property
    def failure(self) -> Failure | None:
        """Return why the case has no result; None when it has one."""
        return self.whole.failures.get(self.case.variant)

    @property
    def baseline_arm_failure(self) -> Failure | None:
        """Return why its baseline arm has no result; None when it has one."""
        return self.whole.failures.get(self.case.variant + OF_BASELINE)


def stop_reason(plan: Plan[Any], result: WorkloadResult, effort: Effort) -> StopReason | None:
    """Return why a workload of a plan needs no more invocations; None while it needs one."""
    if len(result.failures) == len(plan.variants):
        return "nothing left"
    if len(result.invocations) >= effort.max_invocations:
        return "invocations"
    if len(result.undisturbed.invocations) < effort.min_invocations:
        return None
    if _precise(plan, result.undisturbed, effort.precision):
        return "precise"
    elapsed_s = sum(invocation.elapsed_s for invocation in result.invocations)
    return "budget" if elapsed_s >= effort.workload_budget_s else None


def _precise(plan: Plan[Any], result: WorkloadResult, precision: float) -> bool:
    """Return whether every speedup that can be computed has an interval within `precision`."""
    variants = [v.name for v in plan.variants if v.name != plan.reference and v.name not in result.failures]
    floors = [result.floors(plan.reference, name) for name in variants]
    return all(estimate_speedup(observe(pairs)).half_width <= precision for pairs in floors if pairs)


@contextmanager
def as_errors(errors: dict[str, PerfError], subject: SubjectKey, cases: Sequence[Case]) -> Iterator[None]:
    """Let what keeps a subject from being prepared or checked become the error of its cases, in `errors` by case."""
    try:
        yield
    except (PerfError, OSError, MemoryError) as error:
        errors |= dict.fromkeys((case.id for case in cases), _preparation_error(subject, error))


def unavailable_cases(plan: Plan[Any], cases: Sequence[Case]) -> dict[str, PerfError]:
    """Return the errors, by case, of a plan's cases in variants that a release cannot run."""
    step = "measure it in a release that has it (docs/other-wheels.md)"
    return {
        case.id: UnavailableError(plan.unavailable[case.variant], subject=case.id, next_step=step)
        for case in cases
        if case.variant in plan.unavailable
    }


def _preparation_error(subject: SubjectKey, error: Exception) -> PerfError:
    if isinstance(error, PerfError):
        return error
    if isinstance(error, MemoryError):
        what = f"there is not enough memory to prepare and check it: {error}".rstrip(": ")
        return PerfError(what, subject=subject.subject, next_step=SMALLER)
    step = "fix the file or program named above, then run again"
    return PerfError(f"it could not be prepared or checked: {error}", subject=subject.subject, next_step=step)
