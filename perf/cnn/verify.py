"""Before any timing counts: all variants of a network must compute the same, fused and quantised as they should."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from perf.cnn.answers import StoredAnswers, stored_answers
from perf.cnn.drift import beyond, bounds_of, drift_of
from perf.cnn.fusion import counts_of, differences, layers_of
from perf.cnn.images import images
from perf.cnn.networks import INPUT, REFERENCE, catalogue
from perf.facts import CnnCheck, Drift
from perf.measure.crew import Node
from perf.measure.family import Resources
from perf.measure.instance import WorkerError
from perf.measure.observe import Seen, observe
from perf.measure.plan import Plan, Variant, Workload
from perf.measure.results import Failure

# The images that answers are compared on: other ones than a network was calibrated with.
IMAGES = 32
SEED = 20190714


@dataclass(frozen=True)
class Verified:
    """What was found out about one variant: its operators as they run, the kernel that most of its convolutions ran, as
    MKL-DNN names it ("unknown" without a trace), and how far its outputs are from the reference's, relative to the
    largest of them. `drift` is that of a quantised variant. `multiply_adds_per_image` are counted in the reference's
    symbol, where nothing is fused, and hold for all variants.
    """

    operators: Sequence[Node]
    isa: str
    output_difference: float | None
    drift: Drift | None = None
    multiply_adds_per_image: float | None = None
    problem: Failure | None = None

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
        )


def image_set(network: str) -> NDArray[np.float32]:
    """The images that a network's answers are compared on, (IMAGES, 3, size, size)."""
    found: NDArray[np.float32] = images(np.random.RandomState(SEED), IMAGES, catalogue().image_size(network))
    return found


def verify(plan: Plan, resources: Resources, quantisation: str) -> dict[str, Verified]:
    """Run each variant of the plan once on the same images, one after the other, and judge what it did by what is
    stored of the network; `quantisation` is the name under which the drift of such INT8 parameters is stored.

    A variant's problem is in its result; the others are judged all the same. PerfError when what is stored is damaged.
    """
    stored = stored_answers(plan.subject)
    arrays = {INPUT: image_set(plan.subject)}
    workload = Workload(plan.subject, {name: values.shape for name, values in arrays.items()}, IMAGES, 0.0)
    outputs: dict[str, NDArray[np.float32]] = {}
    verified = {}
    counted: float | None = None
    for variant in sorted(plan.variants, key=lambda variant: variant.name != plan.reference):
        try:
            seen = observe(variant, [workload], resources, count=variant.name == plan.reference, arrays=arrays)
        except WorkerError as error:
            problem = Failure(f"while its answers were checked: {error.what}", error.last_words)
            verified[variant.name] = Verified([], "unknown", None, problem=problem)
            continue
        outputs[variant.name] = seen.outputs[workload.name][0]
        if seen.multiply_adds is not None:
            counted = seen.multiply_adds / IMAGES
        found = _judge(variant, seen, outputs, stored, quantisation)
        verified[variant.name] = replace(found, multiply_adds_per_image=counted)
    return verified


def _judge(
    variant: Variant,
    seen: Seen,
    outputs: Mapping[str, NDArray[np.float32]],
    stored: StoredAnswers,
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


def check_layers(variant: str, operators: Sequence[Node], stored: StoredAnswers) -> list[str]:
    """Whether a variant fused and quantised what it should; one sentence for each thing that is wrong.

    A network with stored layers must have exactly those; any other must at least have fused, or quantised, something.
    The native build must have done neither.
    """
    counts = counts_of(operators)
    if variant == REFERENCE:
        return [f"{counts[kind]} {kind} operators in {variant}" for kind in ("fused", "quantized") if counts[kind]]
    if variant in stored.layers:
        return differences(layers_of(operators), stored.layers[variant])
    kind = "quantized" if variant == "mkl-int8" else "fused"
    return [] if counts[kind] else [f"no operator is {kind} in {variant}"]
