"""The check before timing: every variant computes what the equations say, with the kernels that it is measured for."""

from collections.abc import Callable, Mapping, Sequence

from perf.errors import WorkerError
from perf.facts import RnnCheck
from perf.measure.family import Checked, Resources
from perf.measure.plan import Operator, Plan, Variant, Workload
from perf.measure.results import Failure
from perf.measure.workers.inspection import Observation, inspections
from perf.measure.workers.worker_group import SEED
from perf.rnn.agreement import Distance, ExpectedOutputs, distance, draw_inputs, expected_outputs
from perf.rnn.example import Example, known_defect
from perf.rnn.reference import Sizes
from perf.rnn.shapes import sizes_of

# What runs if MKL-DNN does not: MXNet's own loops over BLAS products (src/operator/rnn_impl.h).
OWN_KERNEL = "rnn_impl.h"


def verify(plan: Plan[Operator], resources: Resources) -> dict[str, Checked[RnnCheck]]:
    """Run every variant once at every workload, on the inputs that will be timed, and compare it with the equations."""
    expected = {workload.name: _expected(plan.variants[0], workload) for workload in plan.workloads}
    with inspections(plan.variants, plan.workloads, resources) as inspect_one:
        return {variant.name: _check(variant, plan, expected, inspect_one) for variant in plan.variants}


def _expected(variant: Variant[Operator], workload: Workload) -> ExpectedOutputs:
    return expected_outputs(_sizes(variant, workload), draw_inputs(workload.inputs, workload.scales, SEED))


def _check(
    variant: Variant[Operator],
    plan: Plan[Operator],
    expected: Mapping[str, ExpectedOutputs],
    inspect_one: Callable[[Variant[Operator]], Observation],
) -> Checked[RnnCheck]:
    try:
        observed = inspect_one(variant)
    except WorkerError as error:
        return Checked(Failure(f"while its answers were checked: {error.what}", error.last_lines), None)
    distances = [
        (workload, distance(observed.outputs[workload.name], expected[workload.name])) for workload in plan.workloads
    ]
    return judge_variant(variant, distances, sorted(observed.kernels("rnn")))


def judge_variant(
    variant: Variant[Operator], distances: Sequence[tuple[Workload, Distance]], kernels: Sequence[str]
) -> Checked[RnnCheck]:
    """Return what is wrong with a variant, by its distances from the equations and the kernels that MKL-DNN ran."""
    problems = [
        f"the outputs of {workload.name} {distance.problem}{_defect(variant, workload)}"
        for workload, distance in distances
        if distance.too_large
    ]
    facts = variant.build.facts
    fused = facts.mkldnn and variant.program.attributes["mode"] in facts.release.recurrent
    if fused and not kernels:
        problems.append("MKL-DNN ran no RNN primitive")
    check = RnnCheck(
        isa=", ".join(kernels) or OWN_KERNEL,
        output_difference=max(distance.difference for _, distance in distances),
        output_difference_allowed=min(distance.allowed for _, distance in distances),
    )
    return Checked(Failure("; ".join(problems), "") if problems else None, check)


def _defect(variant: Variant[Operator], workload: Workload) -> str:
    """Return the known defect that affects a workload, as the end of a sentence; "" without one."""
    sizes = _sizes(variant, workload)
    steps, batch, inputs = workload.inputs["data"]
    example = Example(sizes.mode, inputs, sizes.hidden, sizes.layers, sizes.directions, batch, steps)
    defect = known_defect(example, variant.build.facts)
    return f": {defect}" if defect else ""


def _sizes(variant: Variant[Operator], workload: Workload) -> Sizes:
    return sizes_of(variant.program, workload.inputs["data"][2])
