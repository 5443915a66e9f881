"""Before any timing counts: every variant must compute what the equations say, with the kernels it is measured for."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perf.measure.crew import SEED
from perf.measure.family import Checked, Resources
from perf.measure.instance import WorkerError
from perf.measure.observe import Outputs, observe
from perf.measure.plan import Operator, Plan, Variant, Workload
from perf.measure.results import Failure
from perf.rnn.reference import Sizes, run
from perf.rnn.shapes import catalogue

# What runs where MKL-DNN does not: MXNet's own loops over BLAS products (src/operator/rnn_impl.h).
OWN_KERNEL = "rnn_impl.h"
# Largest difference from the equations in double precision. Hidden states of LSTM, GRU and tanh cells lie within 1;
# every step adds rounding of FP32 (2^-24) in sums of up to 2048 products, over 50 steps and 8 layers. Of a relu cell
# the states may be larger: there it is relative to the largest output.
AGREEMENT = 1e-4


def verify(plan: Plan, resources: Resources) -> dict[str, Checked]:
    """Run every variant once at every workload, on the same inputs as will be timed."""
    expected = {workload.name: expected_outputs(plan, workload) for workload in plan.workloads}
    return {variant.name: _check(variant, plan, expected, resources) for variant in plan.variants}


def _check(variant: Variant, plan: Plan, expected: Mapping[str, Outputs], resources: Resources) -> Checked:
    try:
        seen = observe(variant, plan.workloads, resources)
    except WorkerError as error:
        return Checked(Failure(f"while its answers were checked: {error.what}", error.last_words), {})
    differences = {name: difference(outputs, expected[name]) for name, outputs in seen.outputs.items()}
    return judged(variant, differences, sorted(seen.kernels("rnn")))


def judged(variant: Variant, differences: Mapping[str, float], kernels: Sequence[str]) -> Checked:
    """What is wrong with a variant whose outputs differ so from the equations' by workload, and ran these kernels of
    MKL-DNN.
    """
    wrong = [
        f"the outputs of {name} differ from the equations' by {found:.2g}, over {AGREEMENT:g}"
        for name, found in differences.items()
        if not found <= AGREEMENT
    ]
    fused = variant.build.facts.mkldnn and _operator(variant).attributes["mode"] in catalogue().mkldnn_modes
    if fused and not kernels:
        wrong.append("MKL-DNN ran no RNN primitive")
    facts = {"isa": ", ".join(kernels) or OWN_KERNEL, "output_difference": max(differences.values())}
    return Checked(Failure("; ".join(wrong), "") if wrong else None, facts)


def difference(outputs: Outputs, expected: Outputs) -> float:
    """The largest difference, relative to the largest value expected where that is above 1; NaN stays NaN."""
    pairs = zip(outputs, expected, strict=True)
    return float(np.max([np.abs(a - b).max() / max(1.0, np.abs(b).max()) for a, b in pairs]))


def expected_outputs(plan: Plan, workload: Workload) -> Outputs:
    """What the equations say of the plan's operator, on the inputs that a worker draws (perf.worker.graph)."""
    inputs = drawn(workload)
    return run(sizes_of(_operator(plan.variants[0]), workload), inputs["data"], inputs["parameters"], inputs)


def _operator(variant: Variant) -> Operator:
    """The variant's operator. TypeError when it runs something else."""
    if not isinstance(variant.program, Operator):
        raise TypeError(f"{variant.name} runs {variant.program.label}, not an operator")
    return variant.program


def drawn(workload: Workload) -> dict[str, NDArray[np.float64]]:
    """The inputs that a worker draws when it binds the workload (perf.worker.graph.Graph.bind)."""
    draw = np.random.RandomState(SEED)
    return {
        name: (draw.standard_normal(shape) * workload.scales.get(name, 1.0)).astype(np.float32).astype(np.float64)
        for name, shape in workload.inputs.items()
    }


def sizes_of(operator: Operator, workload: Workload) -> Sizes:
    """The sizes of a network, from its operator and inputs."""
    attributes: Mapping[str, Any] = operator.attributes
    return Sizes(
        str(attributes["mode"]),
        workload.inputs["data"][2],
        int(attributes["state_size"]),
        int(attributes["num_layers"]),
        2 if attributes["bidirectional"] else 1,
    )
