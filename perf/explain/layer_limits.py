"""Which part of the machine's limit each layer of a case reaches: its bound over its time in the profiled passes."""

from collections.abc import Mapping, Sequence
from contextlib import closing

from perf.errors import PerfError, WorkerError
from perf.explain.subject import Subject
from perf.limits.result import MachineLimits
from perf.limits.roofline import bound_of
from perf.measure.family import FP32_BYTES, INT8_BYTES, Resources
from perf.measure.workers.replies import CountedLayer
from perf.measure.workers.worker_group import WorkerGroup
from perf.rnn.family import RnnCase
from perf.runs.explanation import LayerTime

# How the text of operators that compute in INT8 begins (perf.profile.operators).
INT8 = "int8 "


def fractions_of(
    subject: Subject, layers: Sequence[LayerTime], limits: MachineLimits, resources: Resources
) -> dict[str, float]:
    """Return the part of the machine's limit that each layer reaches, by its name; only for convolutions,
    fully-connected layers and recurrent networks, whose operations are counted. `limits` are those of the CPUs of its
    only instance; a layer whose limit is unknown is left out.

    A layer's bytes are those of its weights, its input and its output that no cache can hold. Raises PerfError when the
    operations cannot be counted.
    """
    later = subject.variant.build.facts.release.after_150
    costs = _costs(subject, resources)
    fractions = {}
    for layer in layers:
        cost = costs.get(layer.name)
        if cost is None or layer.now_ms <= 0:
            continue
        int8 = layer.operators.startswith(INT8)
        value_bytes = INT8_BYTES if int8 else FP32_BYTES
        bound = bound_of(
            limits,
            "mkl-int8" if int8 else "mkl-fp32",
            flops=2 * cost.multiply_adds,
            moved_bytes=value_bytes * (cost.weights + cost.inputs + cost.outputs),
            instances=1,
            latency_s=layer.now_ms / 1e3,
            fastest_s=layer.now_ms / 1e3,
            mxnet_150=not later,
        )
        if bound is not None:
            fractions[layer.name] = bound.fraction
    return fractions


def _costs(subject: Subject, resources: Resources) -> Mapping[str, CountedLayer]:
    """Return the layers of a pass whose operations are counted, by name: in the reference's network, which is not
    fused. A recurrent network is one operator.
    """
    if isinstance(subject.case, RnnCase):
        name = subject.variant.program.name
        return {name: CountedLayer(name, subject.case.flops // 2, subject.case.sizes.parameters, 0, 0)}
    reference = next(variant for variant in subject.plan.variants if variant.name == subject.plan.reference)
    try:
        placements = subject.placements[:1]
        with closing(WorkerGroup(reference, placements, resources.scratch, timeout_s=resources.timeout_s)) as group:
            group.load()
            return {layer.name: layer for layer in group.cost(subject.workload).layers}
    except WorkerError as error:
        step = "read the last lines above, and measure the case with pytest"
        message = f"its operations could not be counted: {error.what}\n{error.last_lines}".strip()
        raise PerfError(message, subject=subject.case.id, next_step=step) from error
