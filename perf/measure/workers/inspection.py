"""A variant seen at work, untimed: its outputs, its operators, and the kernels that MKL-DNN ran for it."""

import re
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perf.measure.family import Resources
from perf.measure.plan import Loadable, Variant, Workload
from perf.measure.workers.worker_group import Node, WorkerGroup

Outputs = Sequence[NDArray[Any]]
Arrays = Mapping[str, NDArray[Any]]

# Names a kernel and its instruction set for every primitive that runs (MKL-DNN 0.19, "Performance profiling").
VERBOSE = {"MKLDNN_VERBOSE": "1"}


@dataclass(frozen=True, eq=False)
class Observation:
    """What one pass over each workload showed. `operators` are as they run; `outputs` are by workload's name, in the
    operator's order; `multiply_adds` are of the first workload's pass, when they were asked for.
    """

    operators: Sequence[Node]
    outputs: Mapping[str, Outputs]
    multiply_adds: int | None
    log: str

    def kernels(self, primitive: str) -> Counter[str]:
        """How often each kernel of a primitive ("convolution", "rnn") ran, as MKL-DNN names it: "jit:avx512_core"."""
        return Counter(re.findall(rf"^mkldnn_verbose,exec,{primitive},([^,]+),", self.log, re.MULTILINE))


def inspect(
    variant: Variant[Loadable],
    workloads: Sequence[Workload],
    resources: Resources,
    *,
    count: bool = False,
    arrays: Arrays | None = None,
    variables: Mapping[str, str] = VERBOSE,
    folder: Path = Path("/"),
) -> Observation:
    """Run a pass over each workload in one worker, pinned like the first instance, on its own inputs or on the given
    `arrays` by name; `count` the multiply-adds of the first. The worker gets these environment `variables`, and
    `folder` to work in. WorkerError when the worker fails.
    """
    given = _written(arrays, resources.scratch / "inputs.npz") if arrays else None
    group = WorkerGroup(
        variant,
        resources.placements[:1],
        resources.scratch,
        timeout_s=resources.timeout_s,
        variables=variables,
        folder=folder,
    )
    try:
        operators = group.load()
        multiply_adds = group.multiply_adds(workloads[0]) if count else None
        outputs = {workload.name: _outputs(group, workload, resources, given) for workload in workloads}
        return Observation(operators, outputs, multiply_adds, group.log_text)
    finally:
        group.close()


def inspect_layers(
    variant: Variant[Loadable],
    arrays: Arrays,
    resources: Resources,
    given: Callable[[Sequence[Node]], Arrays] | None = None,
) -> tuple[Sequence[Node], Arrays]:
    """The operators of a variant, and the outputs of all of them in FP32 by name, of one pass over the given inputs.
    With `given`, every operator runs by itself, on the outputs that it has for the operators before it, by name.
    WorkerError when the worker fails.
    """
    group = WorkerGroup(variant, resources.placements[:1], resources.scratch, timeout_s=resources.timeout_s)
    with tempfile.TemporaryDirectory(dir=resources.scratch) as folder:  # a network's activations are large
        path = Path(folder, "layers.npz")
        try:
            operators = group.load()
            group.bind(Workload(variant.name, {}, 1, 0.0), _written(arrays, Path(folder, "inputs.npz")))
            if given is None:
                group.save_layers(path)
            else:
                group.save_cut_layers(path, _written(given(operators), Path(folder, "given.npz")))
            with np.load(path) as saved:
                return operators, dict(saved)
        finally:
            group.close()


def parameters_of(variant: Variant[Loadable], resources: Resources) -> Arrays:
    """The parameters and auxiliary states of a variant's program by name. Nothing of it is run. WorkerError when the
    worker fails.
    """
    group = WorkerGroup(variant, resources.placements[:1], resources.scratch, timeout_s=resources.timeout_s)
    with tempfile.TemporaryDirectory(dir=resources.scratch) as folder:
        path = Path(folder, "parameters.npz")
        try:
            group.load()
            group.save_parameters(path)
            with np.load(path) as saved:
                return dict(saved)
        finally:
            group.close()


def _written(arrays: Arrays, path: Path) -> Path:
    np.savez(path, allow_pickle=False, **arrays)
    return path


def _outputs(group: WorkerGroup, workload: Workload, resources: Resources, given: Path | None) -> Outputs:
    group.bind(workload, given)
    path = resources.scratch / f"{group.variant.name}-outputs.npz"
    group.save_outputs(path)
    with np.load(path) as saved:
        return [saved[f"out{number}"] for number in range(len(saved.files))]
