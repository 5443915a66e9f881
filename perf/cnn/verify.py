"""Before any timing counts: all variants of a network must compute the same, fused and quantised as they should."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perf.cnn.networks import REFERENCE, catalogue
from perf.measure.family import Resources
from perf.measure.instance import WorkerError
from perf.measure.observe import Seen, observe
from perf.measure.plan import Plan, Variant
from perf.measure.results import Failure

_HEAVY = ("Convolution", "FullyConnected", "BatchNorm", "Activation", "elemwise_add", "broadcast_add")


@dataclass(frozen=True)
class Verified:
    """What was found out about one variant: its operators, the kernel that most of its
    convolutions ran, as MKL-DNN names it ("unknown" without a trace), and how
    far its outputs are from the reference's, relative to the largest of them. `multiply_adds_per_image` are counted in
    the reference's symbol, where nothing is fused, and hold for all variants.
    """

    operators: Mapping[str, int]
    isa: str
    output_difference: float | None
    multiply_adds_per_image: float | None = None
    problem: Failure | None = None

    @property
    def fused(self) -> int:
        """Operators that are fused subgraphs, quantised or not."""
        return sum(n for name, n in self.operators.items() if name.startswith("_sg_mkldnn"))

    @property
    def quantized(self) -> int:
        """Operators that compute in INT8; conversions (quantize, dequantize, requantize) do not count."""
        return sum(
            n
            for name, n in self.operators.items()
            if name.endswith("[quantized]") or name.startswith("_contrib_quantized")
        )

    @property
    def unfused(self) -> int:
        """Operators that fusion could have taken into a subgraph and did not."""
        return sum(n for name, n in self.operators.items() if name in _HEAVY)

    def facts(self) -> dict[str, Any]:
        """What of it belongs into the stored run."""
        return {
            "isa": self.isa,
            "operators_fused": self.fused,
            "operators_quantized": self.quantized,
            "operators_unfused": self.unfused,
            "output_difference": self.output_difference,
            "multiply_adds_per_image": self.multiply_adds_per_image,
        }


def verify(plan: Plan, resources: Resources) -> dict[str, Verified]:
    """Run each variant of the plan once on the same input, one after the other, and judge what it did.

    A variant's problem is in its result; the others are judged all the same.
    """
    workload = plan.workloads[0]
    outputs: dict[str, NDArray[np.float32]] = {}
    verified = {}
    counted: float | None = None
    for variant in sorted(plan.variants, key=lambda variant: variant.name != plan.reference):
        try:
            seen = observe(variant, [workload], resources, count=variant.name == plan.reference)
        except WorkerError as error:
            problem = Failure(f"while its answers were checked: {error.what}", error.last_words)
            verified[variant.name] = Verified({}, "unknown", None, problem=problem)
            continue
        outputs[variant.name] = seen.outputs[workload.name][0]
        if seen.multiply_adds is not None:
            counted = seen.multiply_adds / workload.items
        verified[variant.name] = replace(_judge(plan, variant, seen, outputs), multiply_adds_per_image=counted)
    return verified


def _judge(plan: Plan, variant: Variant, seen: Seen, outputs: Mapping[str, NDArray[np.float32]]) -> Verified:
    difference = None
    problems = []
    output, reference = outputs[variant.name], outputs.get(REFERENCE)
    if not np.isfinite(output).all():
        problems.append("its outputs are not finite")
    elif reference is not None:
        difference = float(np.abs(output - reference).max() / np.abs(reference).max())
        limit = catalogue().agreement.get(variant.name)
        if limit is not None and difference > limit:
            problems.append(f"its outputs differ from {REFERENCE}'s by {difference:.2g} of the largest, over {limit:g}")
    kernels = seen.kernels("convolution").most_common(1)
    verified = Verified(seen.operators, kernels[0][0] if kernels else "unknown", difference)
    problems += check_operators(plan.subject, variant.name, verified)
    return replace(verified, problem=Failure("; ".join(problems), "") if problems else None)


def check_operators(network: str, variant: str, verified: Verified) -> list[str]:
    """Whether a variant fused and quantised what it should; one sentence for each thing that is wrong.

    A listed network must have exactly the stored counts; any other must at least have fused, or quantised, something.
    The native build must have done neither.
    """
    found = {"fused": verified.fused, "quantized": verified.quantized, "unfused": verified.unfused}
    expected = catalogue().networks.get(network)
    if variant == REFERENCE:
        return [f"{found[kind]} {kind} operators in {variant}" for kind in ("fused", "quantized") if found[kind]]
    kinds = ("quantized",) if variant == "mkl-int8" else ("fused", "unfused")
    if expected is None:
        return [] if found[kinds[0]] else [f"no operator is {kinds[0]} in {variant}"]
    return [
        f"{found[kind]} operators are {kind}, {wanted} expected"
        for kind, wanted in ((kind, getattr(expected, kind)) for kind in kinds)
        if found[kind] != wanted
    ]
