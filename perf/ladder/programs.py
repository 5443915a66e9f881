"""What the workloads of a ladder run."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, Literal

import msgspec

from perf.builds import Build, Release
from perf.cnn.artifacts.prepare import Artifacts, prepare
from perf.cnn.artifacts.releases import program_for, unavailable_variants
from perf.cnn.networks import INPUT, REFERENCE, catalogue
from perf.errors import PerfError
from perf.ladder.data import LadderTier, OperatorNode, ladder_data, matching
from perf.measure.family import SLOT_WEIGHT, Resources
from perf.measure.plan import Loadable, Program, Workload
from perf.rnn.family import RnnCase, RnnFamily, workload_of
from perf.rnn.shapes import operator_of

# A training step costs about three passes: forward, and the gradients of inputs and of weights.
STEP_COST = 3
# The input of a training step that holds the classes (perf/worker/passes/training_step.py).
LABEL = "label"
Kind = Literal["fp32", "int8", "recurrent", "operator", "training"]
NETWORK_KINDS: tuple[Kind, ...] = ("fp32", "int8")


@dataclass(frozen=True)
class Composition(Loadable):
    """Operators that the worker composes; all their arrays are inputs of the workload. `nodes` are in their order."""

    nodes: tuple[OperatorNode, ...]

    def load_request(self, release: Release) -> tuple[str, Mapping[str, Any]]:  # noqa: ARG002 - the same in all
        """Return the request that lets a worker of a release compose them, and its arguments."""
        return "compose", {"nodes": [{"name": node.op, **msgspec.to_builtins(node)} for node in self.nodes]}

    @property
    def label(self) -> str:
        """Return the operators with their attributes."""
        return " ".join(
            f"{node.op}({', '.join(f'{name}={value}' for name, value in node.attributes.items())})"
            for node in self.nodes
        )


@dataclass(frozen=True)
class TrainingProgram(Loadable):
    """Training steps of a classification `network` in FP32, in one process."""

    network: Program

    def load_request(self, release: Release) -> tuple[str, Mapping[str, Any]]:
        """Return the request that lets a worker of a release load it, and its arguments."""
        _, arguments = self.network.load_request(release)
        return "load_training", arguments

    @property
    def label(self) -> str:
        """Return the network's label, as that of its training."""
        return f"training of {self.network.label}"


@dataclass(frozen=True)
class Named:
    """A workload before its program is prepared: its `name`, its `kind`, and its `subject`, a network or operator."""

    name: str
    kind: Kind
    subject: str


@dataclass(frozen=True)
class LadderWorkload:
    """A workload whose program is prepared.

    kind: what it is: a network in FP32 or INT8, a recurrent network, an operator, or a training step.
    measured: its name, inputs and cost.
    program: returns what a build with MKL-DNN runs; raises PerfError if its release cannot run it.
    control: what the control, a plain build, runs.
    """

    kind: Kind
    measured: Workload
    program: Callable[[Build], Loadable]
    control: Loadable

    @property
    def name(self) -> str:
        """Its name, such as "resnet50_v1-b1-int8"."""
        return self.measured.name


def named_workloads(tier: LadderTier) -> list[Named]:
    """Return the workloads of a tier, in their order."""
    networks = [
        Named(f"{network}-b{tier.batch}-{kind}", kind, network) for network in tier.networks for kind in NETWORK_KINDS
    ]
    recurrent = [Named(case.workload, "recurrent", case.workload) for case in _recurrent_cases(tier.recurrent)]
    training = [Named(f"training-{network}-b{tier.training_batch}", "training", network) for network in tier.training]
    operators = [Named(name, "operator", name) for name in matching(list(ladder_data().operators), tier.operators)]
    return [*networks, *recurrent, *training, *operators]


def prepared_workloads(tier: LadderTier, names: Collection[str], resources: Resources) -> list[LadderWorkload]:
    """Return the workloads of these names, whose networks `zoo` prepares. Raises PerfError when one cannot be."""

    @cache
    def artifacts(network: str) -> Artifacts:
        return prepare(
            network,
            zoo=resources.build("zoo"),
            threads=resources.cores,
            cache=resources.cache,
            pretrained=False,
            calibration="naive",
            say=resources.say,
        )

    return [_prepared(named, tier, artifacts, resources) for named in named_workloads(tier) if named.name in names]


def _prepared(
    named: Named, tier: LadderTier, artifacts: Callable[[str], Artifacts], resources: Resources
) -> LadderWorkload:
    if named.kind == "recurrent":
        case = next(case for case in _recurrent_cases(tier.recurrent) if case.workload == named.subject)
        return _same_everywhere(named.kind, workload_of(case), operator_of(case.sizes))
    if named.kind == "operator":
        data = ladder_data().operators[named.subject]
        workload = Workload(named.name, data.shapes, 1, SLOT_WEIGHT, data.scales)
        return _same_everywhere(named.kind, workload, Composition(data.nodes))
    files = artifacts(named.subject)
    reference = files.program(catalogue().variants[REFERENCE])
    size, gflop = files.image_size, 2 * catalogue().gmacs(named.subject)
    if named.kind == "training":
        batch = tier.training_batch
        inputs = {INPUT: (batch, 3, size, size), LABEL: (batch,)}
        # All labels are class 0: the time of a step does not depend on them.
        workload = Workload(named.name, inputs, batch, STEP_COST * gflop * batch + SLOT_WEIGHT, {LABEL: 0.0})
        return _same_everywhere(named.kind, workload, TrainingProgram(reference))
    workload = Workload(named.name, {INPUT: (tier.batch, 3, size, size)}, tier.batch, gflop * tier.batch + SLOT_WEIGHT)
    program = partial(network_program, files, f"mkl-{named.kind}", resources)
    return LadderWorkload(named.kind, workload, program, reference)


def network_program(files: Artifacts, variant: str, resources: Resources, build: Build) -> Program:
    """Return the program of a network that a build runs in a variant: FP32 files unchanged, and INT8 files that its own
    release makes. Raises PerfError when its release cannot run it.
    """
    own = replace(resources, build=lambda _: build)
    missing = unavailable_variants([variant], own).get(variant)
    program = None if missing else program_for(catalogue().variants[variant], files, own)
    problem = missing or (program and program.problem)
    if program is None or problem:
        raise PerfError(problem or "", subject=build.requirement)
    return program


def _same_everywhere(kind: Kind, workload: Workload, program: Loadable) -> LadderWorkload:
    return LadderWorkload(kind, workload, lambda _: program, program)


def _recurrent_cases(tier: str) -> list[RnnCase]:
    """The recurrent networks of a tier, each once."""
    return [case for case in RnnFamily().cases(tier) if case.variant == REFERENCE]
