"""What is explained: a case by its name, planned as a session plans it, on the stacks of stored runs."""

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from perf.builds import Build, build_with_content
from perf.cnn.artifacts.prepare import CalibrationMode
from perf.cnn.family import CnnFamily
from perf.dist.family import EMULATED_RANKS, DistFamily, TrainingCase
from perf.errors import PerfError
from perf.machine import Placement, find_numactl, free_bytes, place_instances, read_topology, shortage
from perf.measure.family import Case, Resources
from perf.measure.outcome import SMALLER
from perf.measure.plan import Plan, Variant, Workload
from perf.measure.stacks import OF_BASELINE, baseline_arm_of, stack_of
from perf.profile.arms import Arm
from perf.profile.outcomes import arm_of
from perf.rnn.family import RnnFamily
from perf.stack import Stack, differences

# How hard jobs that are explained are measured, as in an ordinary session.
TIER = "quick"
# More digits than any size in the name of a case has: no machine has as many bytes.
NO_SIZE = re.compile(r"\d{10}")


@dataclass(frozen=True)
class Subject:
    """A case that is explained.

    case: the case.
    plan: its plan.
    placements: where its instances run, of which only the first one does, or its ranks.
    arm: what this checkout runs.
    """

    case: Case
    plan: Plan[Any]
    placements: tuple[Placement, ...]
    arm: Arm

    @property
    def variant(self) -> Variant[Any]:
        """The variant of the plan that the case runs."""
        return self.arm.variant

    @property
    def workload(self) -> Workload:
        """Its workload."""
        return next(workload for workload in self.plan.workloads if workload.name == self.case.workload)

    @property
    def stack(self) -> Stack:
        """What this checkout runs, as a stack."""
        return stack_of(self.plan, self.variant, self.placements)


def case_named(name: str, *, pretrained: bool = False, calibration: CalibrationMode = "naive") -> Case:
    """Return the case of a name such as "resnet18_v1-b1-mkl-fp32", as its family writes it.

    pretrained: whether a network has GluonCV's trained weights. calibration: how its INT8 thresholds were chosen.

    Raises PerfError for any other name.
    """
    families = (CnnFamily(pretrained=pretrained, calibration=calibration), RnnFamily(), DistFamily(TIER))
    if NO_SIZE.search(name) is None:
        for family in families:
            case = family.case_named(name)
            if case is not None:
                return case
    step = "name a case as pytest shows it, such as resnet18_v1-b1-mkl-fp32 or train-resnet18_v1-b1-mkl-r2"
    raise PerfError("there is no such case", subject=name, next_step=step)


def subject_of(case: Case, resources: Resources) -> Subject:
    """Return a case with its plan. Raises PerfError if it cannot be prepared, its release cannot run it, or too little
    memory is free.
    """
    plan = case.family.plan(case.subject, [case], resources)
    if case.variant in plan.unavailable:
        step = "explain it in a release that has it (docs/other-wheels.md)"
        raise PerfError(plan.unavailable[case.variant], subject=case.id, next_step=step)
    variant = next(variant for variant in plan.variants if variant.name == case.variant)
    placements = resources.placements if plan.start is None else resources.rank_placements
    subject = Subject(case, plan, placements, arm_of(plan, variant, resources))
    problem = getattr(variant.program, "problem", None)
    if problem:
        raise PerfError(problem, subject=case.id, next_step="explain another variant of it")
    alone = replace(resources, placements=resources.placements[:1])
    if short := shortage(case.family.memory_bytes(plan, alone)[case.workload], free_bytes()):
        raise PerfError(short, subject=case.id, next_step=SMALLER)
    return subject


def with_stack(subject: Subject, then: Stack, resources: Resources) -> tuple[Arm, list[str]]:
    """Return the arm that runs as much as can be restored of a stored stack, and how it differs from that stack, a
    difference each.
    """

    def build_like(build: Build, stored: Stack) -> Build | None:
        try:
            return build_with_content(
                build.role,
                content=stored.wheel,
                requirement=stored.requirement,
                cache=resources.cache,
                say=resources.say,
                mpi=None,
            )
        except PerfError as error:
            resources.say(f"The stored wheel cannot be run: {error}")
            return None

    placements = placements_like(then, subject.placements)
    restored = baseline_arm_of(subject.plan, subject.variant, then, placements, build_like)
    variant = subject.variant if restored is None else replace(restored.variant, name=subject.variant.name)
    stack = stack_of(subject.plan, subject.variant, placements) if restored is None else restored.stack
    missing = [text for text in differences(then, stack) if not text.startswith("measuring")]
    return replace(subject.arm, variant=replace(variant, baseline_arm_of=None), placement=placements[0]), missing


def placements_like(then: Stack, own: tuple[Placement, ...]) -> tuple[Placement, ...]:
    """Return placements with the number of instances and threads of a stored stack; this machine's own where it has no
    room for them.
    """
    if then.threads == own[0].threads or not then.threads:
        return own
    topology = read_topology()
    with suppress(PerfError):
        return place_instances(
            topology, instances=len(then.placement), threads=then.threads, numactl=find_numactl(topology)
        )
    return own


def as_baseline(arm: Arm) -> Arm:
    """Return an arm under the name of a baseline arm."""
    return replace(arm, variant=replace(arm.variant, name=arm.variant.name + OF_BASELINE))


def ranks_on_host(case: Case) -> int:
    """Return how many ranks of a training case one host must have room for; 0 for any other case."""
    if not isinstance(case, TrainingCase):
        return 0
    return case.ranks if case.place == "host" else EMULATED_RANKS[-1]
