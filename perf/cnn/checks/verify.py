"""The check before timing: all variants of a network compute the same, fused and quantised as they should be."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perf.cnn.checks.defects import defects_text, depends_on_cpu, layer_defects
from perf.cnn.checks.drift import between_images_db, drift_bounds, drift_of, drift_problems, sqnr_db
from perf.cnn.checks.floors import LayerLoss, judge_by_floors, why_unknown_steps
from perf.cnn.checks.fusion import layer_differences, layers_by_kind, operator_counts
from perf.cnn.checks.golden import RELEASE, GoldenAnswers, ReleaseAnswers, golden_answers
from perf.cnn.checks.layers import fp32_of, layer_losses
from perf.cnn.checks.symbol import read_layers
from perf.cnn.networks import IMAGES, INPUT, INT8, REFERENCE, catalogue, images_of
from perf.errors import WorkerError
from perf.facts import CnnCheck, Drift, LayerCost
from perf.measure.family import Resources
from perf.measure.plan import Plan, Program, Variant, Workload
from perf.measure.results import Failure
from perf.measure.workers.inspection import Observation, inspections, parameters_of
from perf.measure.workers.replies import Counted, GraphNode
from perf.wording import counted


@dataclass(frozen=True)
class VerifiedVariant:
    """What the check observed of one variant.

    `operators`: its operators as they run. `isa`: the kernel that most convolutions ran, by MKL-DNN's name; "unknown"
    without a trace. `output_difference`: the largest difference of an output from the reference's, relative to the
    largest output. `drift`: that of a quantised variant. `cost`: of a pass over `IMAGES` images, counted in the
    reference's symbol, where nothing is fused; the same for all variants. `problem`: what is wrong. `unjudged`: why the
    outputs could not be judged. Both are None if the outputs are right. `defects`: the known defects that explain
    either. `losses`: what each quantised layer loses, where floors judged. `reference`: whether it is the reference.
    """

    operators: Sequence[GraphNode]
    isa: str
    output_difference: float | None
    drift: Drift | None = None
    cost: Counted | None = None
    problem: Failure | None = None
    unjudged: str | None = None
    defects: tuple[str, ...] = ()
    losses: Sequence[LayerLoss] = ()
    reference: bool = False

    @property
    def of_cpu(self) -> bool:
        """Whether every layer that is wrong has a known defect that takes a CPU like this one."""
        wrong = [loss.defects for loss in self.losses if loss.wrong]
        return bool(wrong) and all(any(depends_on_cpu(name) for name in defects) for defects in wrong)

    def facts(self) -> CnnCheck:
        """Return what is stored in a run."""
        counts = operator_counts(self.operators)
        return CnnCheck(
            isa=self.isa,
            operators_fused=counts["fused"],
            operators_quantized=counts["quantized"],
            operators_unfused=counts["unfused"],
            output_difference=self.output_difference,
            **self._cost_per_image(),
            drift=self.drift,
            unjudged=self.unjudged,
        )

    def _cost_per_image(self) -> dict[str, Any]:
        """Return the fields of CnnCheck that say what an image costs. The layers are the same for all variants, and
        stored once, with the reference.
        """
        if self.cost is None:
            return {"multiply_adds_per_image": None}
        layers = [
            LayerCost(each.name, each.multiply_adds / IMAGES, each.weights, (each.inputs + each.outputs) / IMAGES)
            for each in self.cost.layers
        ]
        return {
            "multiply_adds_per_image": sum(layer.multiply_adds for layer in layers),
            "weight_values": self.cost.weight_values,
            "io_values_per_image": self.cost.io_values / IMAGES,
            "layers": layers if self.reference else [],
        }


def verify(plan: Plan[Program], resources: Resources, quantisation: str) -> dict[str, VerifiedVariant]:
    """Run each variant of the plan once on the same images, and judge it by stored answers, or else by floors.

    `quantisation` is the name under which the network's drift is stored. A problem of a variant is in its result, and
    does not keep the other variants from being judged. Raises PerfError when stored answers are damaged.
    """
    stored = golden_answers(plan.subject)
    arrays = {INPUT: images_of(plan)}
    workload = Workload(plan.subject, {name: values.shape for name, values in arrays.items()}, IMAGES, 0.0)
    outputs: dict[str, NDArray[np.float32]] = {}
    verified = {}
    cost: Counted | None = None
    variants = sorted(plan.variants, key=lambda variant: variant.name != plan.reference)
    usable = [variant for variant in variants if not variant.program.problem]
    with inspections(usable, [workload], resources, counted=plan.reference, arrays=arrays) as inspect_one:
        for variant in variants:
            if reason := variant.program.problem:
                failed = VerifiedVariant([], "unknown", None, problem=Failure(reason, ""))
                verified[variant.name] = _with_defects(failed, variant, plan, resources)
                continue
            golden = stored.of(variant.build.facts)
            try:
                observed = inspect_one(variant)
                outputs[variant.name] = observed.outputs[workload.name][0]
                cost = observed.cost or cost
                result = _check_variant(variant, observed, outputs, golden, quantisation)
                by_golden = result.drift is not None and quantisation in golden.drift
                if result.problem and not by_golden:
                    result = _with_defects(result, variant, plan, resources)
                elif result.drift and not result.problem and not by_golden:
                    result = _by_floors(result, plan, outputs, resources)
                result = with_unjudged_layers(result, variant, stored)
                verified[variant.name] = replace(result, cost=cost, reference=variant.name == plan.reference)
            except WorkerError as error:
                problem = Failure(f"while its answers were checked: {error.what}", error.last_lines)
                failed = VerifiedVariant([], "unknown", None, problem=problem)
                verified[variant.name] = _with_defects(failed, variant, plan, resources)
    return verified


def _with_defects(
    result: VerifiedVariant, variant: Variant[Program], plan: Plan[Program], resources: Resources
) -> VerifiedVariant:
    """Return a result whose problem is preceded by the known defects that affect the variant's layers.

    If the network could not be quantised, these are the defects that affect it in FP32.
    """
    affected = fp32_of(plan) if variant.program.problem else variant
    try:
        shapes = {name: array.shape for name, array in parameters_of(affected, resources).items()}
    except WorkerError:
        return result
    defects = layer_defects(read_layers(affected.program.symbol), affected.name, affected.build.facts, shapes)
    if not defects or result.problem is None:
        return result
    problem = Failure(f"{defects_text(defects.values())}: {result.problem.what}", result.problem.last_lines)
    return replace(result, problem=problem, defects=_names(defects.values()))


def _names(layers: Iterable[Iterable[str]]) -> tuple[str, ...]:
    """Return the names of the defects of some layers, each once."""
    return tuple(dict.fromkeys(name for defects in layers for name in defects))


def _by_floors(
    result: VerifiedVariant, plan: Plan[Program], outputs: Mapping[str, NDArray[np.float32]], resources: Resources
) -> VerifiedVariant:
    """Return the result of a quantised variant, judged by floors. Raises WorkerError when a worker fails."""
    (int8,) = (variant for variant in plan.variants if variant.name == INT8)
    if reason := why_unknown_steps(int8.build.facts):
        return replace(result, unjudged=f"no answers of this release on such a CPU are stored, and {reason}")
    reference, output = outputs[REFERENCE], outputs[int8.name]
    losses = layer_losses(plan, resources)
    judgement = judge_by_floors(losses, sqnr_db(reference, output), between_images_db(reference, output))
    problem = Failure(judgement.problem, "") if judgement.problem else None
    # The defects of layers that are wrong; where none is, those that keep the network from being judged.
    wrong = [loss.defects for loss in losses if loss.wrong]
    affected = wrong if problem else [loss.defects for loss in losses if judgement.unjudged]
    return replace(result, problem=problem, unjudged=judgement.unjudged, defects=_names(affected), losses=losses)


def with_unjudged_layers(result: VerifiedVariant, variant: Variant[Program], stored: GoldenAnswers) -> VerifiedVariant:
    """Return a result that says so if layers are stored for another release, but not for the variant's own."""
    facts = variant.build.facts
    if variant.name not in stored.layers or variant.name in stored.of(facts).layers:
        return result
    reason = f"its layers are stored for MXNet {RELEASE}, not for {facts.mxnet}"
    return replace(result, unjudged="; ".join(filter(None, (result.unjudged, reason))))


def _check_variant(
    variant: Variant[Program],
    observed: Observation,
    outputs: Mapping[str, NDArray[np.float32]],
    golden: ReleaseAnswers,
    quantisation: str,
) -> VerifiedVariant:
    """Compare a variant's outputs with the reference's, and its drift and layers with stored answers."""
    difference, drift = None, None
    problems = []
    output, reference = outputs[variant.name], outputs.get(REFERENCE)
    limit = catalogue().agreement.get(variant.name)
    if not np.isfinite(output).all():
        problems.append("its outputs are not finite")
    elif reference is not None:
        difference = float(np.abs(output - reference).max() / np.abs(reference).max())
        if limit is not None and difference > limit:
            problems.append(
                f"its outputs differ from those of {REFERENCE} by {difference:.2g} of the largest, more than {limit:g}"
            )
        if any(node.quantized for node in observed.operators):
            drift = drift_of(reference, output)
            if quantisation in golden.drift:
                bounds = drift_bounds(golden.drift[quantisation].outputs, catalogue().drift_margins)
                problems += drift_problems(drift, bounds)
    kernels = observed.kernels("convolution").most_common(1)
    problems += layer_problems(variant.name, observed.operators, golden, fuses=variant.build.facts.release.fuses)
    problem = Failure("; ".join(problems), "") if problems else None
    isa = kernels[0][0] if kernels else "unknown"
    return VerifiedVariant(observed.operators, isa, difference, drift, problem=problem)


def layer_problems(
    variant: str, operators: Sequence[GraphNode], golden: ReleaseAnswers, *, fuses: bool = True
) -> list[str]:
    """Return a description of each layer that is not fused or quantised as it should be.

    A network with stored layers must have exactly these. Any other network must have at least one fused, or quantised,
    operator; `fuses`: whether its release can fuse. The native build must have neither.
    """
    counts = operator_counts(operators)
    if variant == REFERENCE:
        return [
            f"{counted(counts[kind], f'{kind} operator')} in {variant}, which must have none"
            for kind in ("fused", "quantized")
            if counts[kind]
        ]
    if variant in golden.layers:
        return layer_differences(layers_by_kind(operators), golden.layers[variant])
    kind = "quantized" if variant == INT8 else "fused"
    return [] if counts[kind] or (kind == "fused" and not fuses) else [f"no operator is {kind} in {variant}"]
