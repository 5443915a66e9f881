"""Before any timing counts: every variant must compute what the equations say, with the kernels it is measured for."""

from collections.abc import Mapping, Sequence

from perf.errors import WorkerError
from perf.facts import RnnCheck
from perf.measure.family import Checked, Resources
from perf.measure.plan import Operator, Plan, Variant, Workload
from perf.measure.results import Failure
from perf.measure.workers.inspection import inspect
from perf.measure.workers.worker_group import SEED
from perf.rnn.agreement import Distance, Expected, distance, drawn, expected
from perf.rnn.example import Example, covering
from perf.rnn.operator import sizes_of
from perf.rnn.reference import Sizes
from perf.rnn.shapes import catalogue

# What runs where MKL-DNN does not: MXNet's own loops over BLAS products (src/operator/rnn_impl.h).
OWN_KERNEL = "rnn_impl.h"


def verify(plan: Plan[Operator], resources: Resources) -> dict[str, Checked[RnnCheck]]:
    """Run every variant once at every workload, on the same inputs as will be timed."""
    wanted = {workload.name: _expected(plan.variants[0], workload) for workload in plan.workloads}
    return {variant.name: _check(variant, plan, wanted, resources) for variant in plan.variants}


def _expected(variant: Variant[Operator], workload: Workload) -> Expected:
    return expected(_sizes(variant, workload), drawn(workload.inputs, workload.scales, SEED))


def _check(
    variant: Variant[Operator], plan: Plan[Operator], wanted: Mapping[str, Expected], resources: Resources
) -> Checked[RnnCheck]:
    try:
        seen = inspect(variant, plan.workloads, resources)
    except WorkerError as error:
        return Checked(Failure(f"while its answers were checked: {error.what}", error.last_words), None)
    found = [(workload, distance(seen.outputs[workload.name], wanted[workload.name])) for workload in plan.workloads]
    return judged(variant, found, sorted(seen.kernels("rnn")))


def judged(
    variant: Variant[Operator], found: Sequence[tuple[Workload, Distance]], kernels: Sequence[str]
) -> Checked[RnnCheck]:
    """What is wrong with a variant whose outputs are so far from the equations' in these workloads, and that ran these
    kernels of MKL-DNN.
    """
    wrong = [
        f"the outputs of {workload.name} {distance.words}{_known(variant, workload)}"
        for workload, distance in found
        if distance.too_far
    ]
    fused = variant.build.facts.mkldnn and variant.program.attributes["mode"] in catalogue().mkldnn_modes
    if fused and not kernels:
        wrong.append("MKL-DNN ran no RNN primitive")
    facts = RnnCheck(
        isa=", ".join(kernels) or OWN_KERNEL,
        output_difference=max(distance.found for _, distance in found),
        output_difference_allowed=min(distance.allowed for _, distance in found),
    )
    return Checked(Failure("; ".join(wrong), "") if wrong else None, facts)


def _known(variant: Variant[Operator], workload: Workload) -> str:
    """The known defect that covers a workload, as the end of a sentence; "" without one."""
    sizes = _sizes(variant, workload)
    steps, batch, inputs = workload.inputs["data"]
    example = Example(sizes.mode, inputs, sizes.hidden, sizes.layers, sizes.directions, batch, steps)
    defect = covering(example, variant.build.facts)
    return f": {defect}" if defect else ""


def _sizes(variant: Variant[Operator], workload: Workload) -> Sizes:
    return sizes_of(variant.program, workload.inputs["data"][2])
