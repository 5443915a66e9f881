"""What is explained: a case by its name, planned as a session plans it, on the stacks of stored runs."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from perf.builds import Build, build_with_content, may_be_replayed
from perf.cnn.artifacts.prepare import CalibrationMode
from perf.cnn.family import CnnCase, CnnFamily
from perf.cnn.model_zoo import check_networks, model_zoo
from perf.cnn.networks import catalogue as networks
from perf.errors import PerfError
from perf.machine import Placement, find_numactl, free_bytes, place_instances, read_topology, shortage
from perf.measure.family import Case, Resources
from perf.measure.outcome import SMALLER
from perf.measure.plan import Plan, Variant, Workload
from perf.measure.stacks import OF_BASELINE, baseline_arm_of, stack_of
from perf.profile.session import Arm
from perf.rnn.family import RnnCase, RnnFamily
from perf.rnn.shapes import catalogue as cells
from perf.rnn.shapes import check_cells
from perf.stack import Stack, differences

# The names of cases (perf.cnn.family, perf.rnn.family), without the variant.
NETWORK = re.compile(r"(?P<network>\S+)-b(?P<batch>\d+)")
RECURRENT = re.compile(
    r"(?P<cell>\w+)-(?P<inputs>\d+)-(?P<hidden>\d+)-l(?P<layers>\d+)-n(?P<batch>\d+)-t(?P<steps>\d+)"
)
THREADS = "threads"
# Digits of a size in a name: no array of a case is larger.
DIGITS = 6


@dataclass(frozen=True)
class Subject:
    """A case that is explained.

    case: the case.
    plan: its plan.
    placements: where its instances run; only the first one does.
    """

    case: Case
    plan: Plan[Any]
    placements: tuple[Placement, ...]

    @property
    def variant(self) -> Variant[Any]:
        """The variant of the plan that the case runs."""
        return next(variant for variant in self.plan.variants if variant.name == self.case.variant)

    @property
    def workload(self) -> Workload:
        """Its workload."""
        return next(workload for workload in self.plan.workloads if workload.name == self.case.workload)

    @property
    def arm(self) -> Arm:
        """What this checkout runs."""
        return Arm(self.variant, self.placements[0])

    @property
    def stack(self) -> Stack:
        """What this checkout runs, as a stack."""
        return stack_of(self.plan, self.variant, self.placements)


def case_named(name: str, *, pretrained: bool = False, calibration: CalibrationMode = "naive") -> Case:
    """Return the case of a name such as "resnet18_v1-b1-mkl-fp32" or "lstm-512-512-l4-n1-t50-mkl-fp32".

    pretrained: whether a network has GluonCV's trained weights. calibration: how its INT8 thresholds were chosen.

    Raises PerfError for any other name, and for training, whose steps have operators in many processes.
    """
    for variant in networks().variants:
        stem = name.removesuffix(f"-{variant}")
        if stem == name:
            continue
        if parts := RECURRENT.fullmatch(stem):
            if variant not in cells().variants:
                break
            check_cells([parts["cell"]])
            sizes = [_size(name, parts[part]) for part in ("batch", "steps", "inputs", "hidden")]
            shape = (sizes[0], sizes[1], sizes[2], sizes[3])
            return RnnCase(parts["cell"], shape, _size(name, parts["layers"]), variant, RnnFamily())
        if parts := NETWORK.fullmatch(stem):
            network = {known.lower(): known for known in model_zoo().classification}.get(parts["network"].lower())
            check_networks([network or parts["network"]])
            family = CnnFamily(pretrained=pretrained, calibration=calibration)
            return CnnCase(network or parts["network"], _size(name, parts["batch"]), variant, family)
    step = "name a case of a network or a recurrent network as pytest shows it, such as resnet18_v1-b1-mkl-fp32"
    raise PerfError("there is no such case that can be explained", subject=name, next_step=step)


def _size(name: str, digits: str) -> int:
    """Return a size in the name of a case. Raises PerfError for one that no array has."""
    size = int(digits) if len(digits) <= DIGITS else 0
    if size < 1:
        step = f"name a case whose sizes are between 1 and {10**DIGITS - 1}"
        raise PerfError(f"no case has the size {digits}", subject=name, next_step=step)
    return size


def subject_of(case: Case, resources: Resources) -> Subject:
    """Return a case with its plan. Raises PerfError if it cannot be prepared, its release cannot run it, or too little
    memory is free.
    """
    plan = case.family.plan(case.subject, [case], resources)
    if case.variant in plan.unavailable:
        step = "explain it in a release that has it (docs/other-wheels.md)"
        raise PerfError(plan.unavailable[case.variant], subject=case.id, next_step=step)
    subject = Subject(case, plan, resources.placements)
    problem = getattr(subject.variant.program, "problem", None)
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
    return Arm(replace(variant, baseline_arm_of=None), placements[0]), missing


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


def with_changes(arm: Arm, changes: Mapping[str, str]) -> Arm:
    """Return an arm with a number of `threads`, or with environment variables that tune MXNet or its libraries.

    Raises PerfError for any other name, and for threads for which there is no room.
    """
    check_changes(changes)
    variables = {name: value for name, value in changes.items() if name != THREADS}
    if THREADS in changes:
        topology = read_topology()
        wanted = int(changes[THREADS])
        placements = place_instances(topology, instances=1, threads=wanted, numactl=find_numactl(topology))
        arm = replace(arm, placement=placements[0])
    build = replace(arm.variant.build, variables={**arm.variant.build.variables, **variables})
    return replace(arm, variant=replace(arm.variant, build=build))


def check_changes(changes: Mapping[str, str]) -> None:
    """Raise PerfError for a number of `threads` that is none, and for a variable that may not be set."""
    for name, value in changes.items():
        if name == THREADS and (not value.isdecimal() or len(value) > DIGITS):
            raise PerfError("is not a number", subject=f"--with {name}={value}", next_step="write --with threads=N")
        if name != THREADS and not may_be_replayed(name, value):
            step = "name a build, threads, or a variable of MXNet, OpenMP or a library, such as MXNET_USE_MKLDNN_RNN=0"
            raise PerfError("is not a change that can be made", subject=f"--with {name}={value}", next_step=step)


def parse_changes(options: Sequence[str]) -> dict[str, str]:
    """Return the changes in `--with` values such as "threads=1", by name. Raises PerfError for a value without `=`,
    and for two changes of one thing.
    """
    changes: dict[str, str] = {}
    for option in options:
        name, separator, value = (part.strip() for part in option.partition("="))
        if not separator or not name or not value:
            step = "write NAME=VALUE, such as threads=1 or mkl=mxnet-mkl==1.4.1"
            raise PerfError("no change is named", subject=f"--with {option}", next_step=step)
        if name in changes:
            step = "write each change once"
            raise PerfError(f"{name} is changed twice", subject=f"--with {option}", next_step=step)
        changes[name] = value
    return changes
