"""Untimed inspection of a variant: its outputs, its operators, and the kernels that MKL-DNN ran."""

import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perf.builds import Build
from perf.errors import WorkerError
from perf.measure.family import Resources
from perf.measure.plan import Loadable, Variant, Workload
from perf.measure.workers.arrays import read_arrays, read_outputs
from perf.measure.workers.replies import Counted, GraphNode
from perf.measure.workers.worker_group import WorkerGroup

Outputs = Sequence[NDArray[Any]]
Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Observation:
    """What one pass over each workload showed.

    operators: the operators as they run.
    outputs: the outputs in their order, by the workload's name.
    cost: that of the first workload's pass; None when it was not counted.
    log: what the worker wrote.
    trace: how the line of a primitive that ran begins in the log.
    """

    operators: Sequence[GraphNode]
    outputs: Mapping[str, Outputs]
    cost: Counted | None
    log: str
    trace: str

    def kernels(self, primitive: str) -> Counter[str]:
        """Return how often each kernel of a primitive ("convolution", "rnn") ran, by name: "jit:avx512_core"."""
        line = f"^{re.escape(self.trace)}{primitive},([^,]+),"
        return Counter(re.findall(line, self.log, re.MULTILINE))


def inspect(
    variant: Variant[Loadable],
    workloads: Sequence[Workload],
    resources: Resources,
    *,
    count: bool = False,
    arrays: Arrays | None = None,
    variables: Mapping[str, str] | None = None,
    folder: Path = Path("/"),
) -> Observation:
    """Run one pass over each workload in one worker, pinned like the first instance.

    count: also count the multiply-adds of the first workload.
    arrays: inputs by name; None for the workloads' own random ones.
    variables: environment variables of the worker; None for those that let MKL-DNN print a trace.
    folder: the worker's current folder.

    Raises WorkerError when the worker fails.
    """
    inputs = _saved(arrays, resources.scratch / "inputs.npz") if arrays else None
    with closing(_start(variant, resources, variables, folder)) as group:
        return _observed(group, workloads, resources, inputs, count=count)


@contextmanager
def inspections(
    variants: Sequence[Variant[Loadable]],
    workloads: Sequence[Workload],
    resources: Resources,
    *,
    counted: str | None = None,
    arrays: Arrays | None = None,
) -> Iterator[Callable[[Variant[Loadable]], Observation]]:
    """Yield a function that inspects one of the variants as `inspect` does, once. Their workers all start here: they
    import MXNet, which takes most of the time, while another one computes.

    `counted` is the variant whose multiply-adds are counted. The function raises WorkerError when the worker fails.
    """
    inputs = _saved(arrays, resources.scratch / "inputs.npz") if arrays else None
    with ExitStack() as workers:
        started = {}
        for variant in variants:
            with suppress(WorkerError):  # it is raised again when the variant is inspected
                started[variant.name] = workers.enter_context(closing(_start(variant, resources)))

        def inspect_one(variant: Variant[Loadable]) -> Observation:
            with closing(started.get(variant.name) or _start(variant, resources)) as group:
                return _observed(group, workloads, resources, inputs, count=variant.name == counted)

        yield inspect_one


def _start(
    variant: Variant[Loadable],
    resources: Resources,
    variables: Mapping[str, str] | None = None,
    folder: Path = Path("/"),
) -> WorkerGroup:
    return WorkerGroup(
        variant,
        resources.placements[:1],
        resources.scratch,
        timeout_s=resources.timeout_s,
        variables=variables or tracing(variant.build),
        folder=folder,
    )


def tracing(build: Build) -> dict[str, str]:
    """Return the variable that lets MKL-DNN print kernel and instruction set of every primitive that runs ("Performance
    profiling" in its documentation).
    """
    return {build.facts.release.verbose: "1"}


def _observed(
    group: WorkerGroup, workloads: Sequence[Workload], resources: Resources, inputs: Path | None, *, count: bool
) -> Observation:
    operators = group.load()
    cost = group.cost(workloads[0]) if count else None
    outputs = {workload.name: _outputs(group, workload, resources, inputs) for workload in workloads}
    return Observation(operators, outputs, cost, group.log_text, group.variant.build.facts.release.trace)


def inspect_layers(
    variant: Variant[Loadable],
    arrays: Arrays,
    resources: Resources,
    layer_inputs: Callable[[Sequence[GraphNode]], Arrays] | None = None,
) -> tuple[Sequence[GraphNode], Arrays]:
    """Return the operators of a variant and the output of each in FP32, by name, for one pass over `arrays`.

    With `layer_inputs`, every operator runs alone: where it returns an array under an operator's name, that replaces
    the operator's output as an input of later ones. Raises WorkerError when the worker fails.
    """
    group = WorkerGroup(variant, resources.placements[:1], resources.scratch, timeout_s=resources.timeout_s)
    with tempfile.TemporaryDirectory(dir=resources.scratch) as folder:  # a network's activations are large
        path = Path(folder, "layers.npz")
        try:
            operators = group.load()
            group.bind(Workload(variant.name, {}, 1, 0.0), _saved(arrays, Path(folder, "inputs.npz")))
            if layer_inputs is None:
                group.save_layers(path)
            else:
                group.save_isolated_layers(path, _saved(layer_inputs(operators), Path(folder, "layer_inputs.npz")))
            return operators, read_arrays(path)
        finally:
            group.close()


def parameters_of(variant: Variant[Loadable], resources: Resources) -> Arrays:
    """Return the parameters and auxiliary states of a variant's program, by name, without running it.

    Raises WorkerError when the worker fails.
    """
    group = WorkerGroup(variant, resources.placements[:1], resources.scratch, timeout_s=resources.timeout_s)
    with tempfile.TemporaryDirectory(dir=resources.scratch) as folder:
        path = Path(folder, "parameters.npz")
        try:
            group.load()
            group.save_parameters(path)
            return read_arrays(path)
        finally:
            group.close()


def _saved(arrays: Arrays, path: Path) -> Path:
    np.savez(path, allow_pickle=False, **arrays)
    return path


def _outputs(group: WorkerGroup, workload: Workload, resources: Resources, inputs: Path | None) -> Outputs:
    group.bind(workload, inputs)
    path = resources.scratch / f"{group.variant.name}-outputs.npz"
    group.save_outputs(path)
    return read_outputs(path)
