"""Before any timing counts: all variants of a network must compute the same, fused and quantised as they should."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from perf.cnn.checks.defects import counted as defects_counted
from perf.cnn.checks.defects import defects_met
from perf.cnn.checks.drift import between_images_db, beyond, bounds_of, drift_of, sqnr_db
from perf.cnn.checks.floors import judged, unknown_steps
from perf.cnn.checks.fusion import counts_of, differences, layers_of
from perf.cnn.checks.golden import GoldenAnswers, golden_answers
from perf.cnn.checks.layers import fp32_of, layer_losses
from perf.cnn.checks.symbol import read_layers
from perf.cnn.networks import IMAGES, INPUT, INT8, REFERENCE, catalogue, images_of
from perf.cnn.operators.int8 import ISA
from perf.errors import WorkerError
from perf.facts import CnnCheck, Drift
from perf.machine import read_machine
from perf.measure.family import Resources
from perf.measure.plan import Plan, Program, Variant, Workload
from perf.measure.results import Failure
from perf.measure.workers.inspection import Observation, inspect, parameters_of
from perf.measure.workers.replies import GraphNode


@dataclass(frozen=True)
class Verified:
    """What was found out about one variant: its operators as they run, the kernel that most of its convolutions ran, as
    MKL-DNN names it ("unknown" without a trace), and how far its outputs are from the reference's, relative to the
    largest of them. `drift` is that of a quantised variant. `multiply_adds_per_image` are counted in the reference's
    symbol, where nothing is fused, and hold for all variants. `problem` is what is wrong, `unjudged` why its answers
    could not be judged; neither where they are right.
    """

    operators: Sequence[GraphNode]
    isa: str
    output_difference: float | None
    drift: Drift | None = None
    multiply_adds_per_image: float | None = None
    problem: Failure | None = None
    unjudged: str | None = None

    def facts(self) -> CnnCheck:
        """What of it belongs into the stored run."""
        counts = counts_of(self.operators)
        return CnnCheck(
            isa=self.isa,
            operators_fused=counts["fused"],
            operators_quantized=counts["quantized"],
            operators_unfused=counts["unfused"],
            output_difference=self.output_difference,
            multiply_adds_per_image=self.multiply_adds_per_image,
            drift=self.drift,
            unjudged=self.unjudged,
        )


def verify(plan: Plan[Program], resources: Resources, quantisation: str) -> dict[str, Verified]:
    """Run each variant of the plan once on the same images, one after the other, and judge what it did by what is
    stored of the network, or else by floors; `quantisation` is the name under which the drift of such parameters is
    stored.

    A variant's problem is in its result; the others are judged all the same. PerfError when what is stored is damaged.
    """
    stored = golden_answers(plan.subject)
    arrays = {INPUT: images_of(plan)}
    workload = Workload(plan.subject, {name: values.shape for name, values in arrays.items()}, IMAGES, 0.0)
    outputs: dict[str, NDArray[np.float32]] = {}
    verified = {}
    counted: float | None = None
    for variant in sorted(plan.variants, key=lambda variant: variant.name != plan.reference):
        if reason := variant.program.problem:
            problem = _named(Failure(reason, ""), variant, plan, resources)
            verified[variant.name] = Verified([], "unknown", None, problem=problem)
            continue
        try:
            seen = inspect(variant, [workload], resources, count=variant.name == plan.reference, arrays=arrays)
            outputs[variant.name] = seen.outputs[workload.name][0]
            if seen.multiply_adds is not None:
                counted = seen.multiply_adds / IMAGES
            found = _judge(variant, seen, outputs, stored, quantisation)
            by_stored = found.drift is not None and quantisation in stored.drift
            if found.problem and not by_stored:
                found = replace(found, problem=_named(found.problem, variant, plan, resources))
            elif found.drift and not found.problem and not by_stored:
                found = _by_floors(found, plan, outputs, resources)
            verified[variant.name] = replace(found, multiply_adds_per_image=counted)
        except WorkerError as error:
            problem = Failure(f"while its answers were checked: {error.what}", error.last_words)
            verified[variant.name] = Verified([], "unknown", None, problem=_named(problem, variant, plan, resources))
    return verified


def _named(problem: Failure, variant: Variant[Program], plan: Plan[Program], resources: Resources) -> Failure:
    """A problem with the known defects that the variant's layers meet in front, if there are any. What could not be
    quantised is looked for among those of the network in FP32.
    """
    meant = fp32_of(plan) if variant.program.problem else variant
    try:
        shapes = {name: array.shape for name, array in parameters_of(meant, resources).items()}
    except WorkerError:
        return problem
    met = defects_met(read_layers(meant.program.symbol), meant.name, meant.build.facts, shapes)
    return replace(problem, what=f"it meets {defects_counted(met.values())}: {problem.what}") if met else problem


def _by_floors(
    found: Verified, plan: Plan[Program], outputs: Mapping[str, NDArray[np.float32]], resources: Resources
) -> Verified:
    """What floors say of a quantised variant. WorkerError when a worker fails."""
    (int8,) = (variant for variant in plan.variants if variant.name == INT8)
    if reason := unknown_steps(int8.build.facts, has_vnni=read_machine().has_isa(ISA)):
        return replace(found, unjudged=f"no answers are stored of it, and {reason}")
    reference, output = outputs[REFERENCE], outputs[int8.name]
    losses = layer_losses(plan, resources)
    judgement = judged(losses, sqnr_db(reference, output), between_images_db(reference, output))
    problem = Failure(judgement.problem, "") if judgement.problem else None
    return replace(found, problem=problem, unjudged=judgement.unjudged)


def _judge(
    variant: Variant[Program],
    seen: Observation,
    outputs: Mapping[str, NDArray[np.float32]],
    stored: GoldenAnswers,
    quantisation: str,
) -> Verified:
    difference, drift = None, None
    problems = []
    output, reference = outputs[variant.name], outputs.get(REFERENCE)
    limit = catalogue().agreement.get(variant.name)
    if not np.isfinite(output).all():
        problems.append("its outputs are not finite")
    elif reference is not None:
        difference = float(np.abs(output - reference).max() / np.abs(reference).max())
        if limit is not None and difference > limit:
            problems.append(f"its outputs differ from {REFERENCE}'s by {difference:.2g} of the largest, over {limit:g}")
        if any(node.quantized for node in seen.operators):
            drift = drift_of(reference, output)
            if quantisation in stored.drift:
                problems += beyond(drift, bounds_of(stored.drift[quantisation].outputs, catalogue().drift_margins))
    kernels = seen.kernels("convolution").most_common(1)
    problems += check_layers(variant.name, seen.operators, stored)
    problem = Failure("; ".join(problems), "") if problems else None
    return Verified(seen.operators, kernels[0][0] if kernels else "unknown", difference, drift, problem=problem)


def check_layers(variant: str, operators: Sequence[GraphNode], stored: GoldenAnswers) -> list[str]:
    """Whether a variant fused and quantised what it should; one sentence for each thing that is wrong.

    A network with stored layers must have exactly those; any other must at least have fused, or quantised, something.
    The native build must have done neither.
    """
    counts = counts_of(operators)
    if variant == REFERENCE:
        return [f"{counts[kind]} {kind} operators in {variant}" for kind in ("fused", "quantized") if counts[kind]]
    if variant in stored.layers:
        return differences(layers_of(operators), stored.layers[variant])
    kind = "quantized" if variant == INT8 else "fused"
    return [] if counts[kind] else [f"no operator is {kind} in {variant}"]
