"""A variant seen at work, untimed: its outputs, its operators, and the kernels that MKL-DNN ran for it."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perf.measure.crew import Crew
from perf.measure.family import Resources
from perf.measure.plan import Variant, Workload

Outputs = Sequence[NDArray[Any]]

# Names a kernel and its instruction set for every primitive that runs (MKL-DNN 0.19, "Performance profiling").
VERBOSE = {"MKLDNN_VERBOSE": "1"}


@dataclass(frozen=True, eq=False)
class Seen:
    """What one pass over each workload showed. `operators` are counts by kind; `outputs` are by workload's name, in the
    operator's order; `multiply_adds` are of the first workload's pass, when they were asked for.
    """

    operators: Mapping[str, int]
    outputs: Mapping[str, Outputs]
    multiply_adds: int | None
    log: str

    def kernels(self, primitive: str) -> Counter[str]:
        """How often each kernel of a primitive ("convolution", "rnn") ran, as MKL-DNN names it: "jit:avx512_core"."""
        return Counter(re.findall(rf"^mkldnn_verbose,exec,{primitive},([^,]+),", self.log, re.MULTILINE))


def observe(variant: Variant, workloads: Sequence[Workload], resources: Resources, *, count: bool = False) -> Seen:
    """Run a pass over each workload in one worker, pinned like the first instance; `count` the multiply-adds of the
    first. WorkerError when the worker fails.
    """
    crew = Crew(variant, resources.placements[:1], resources.scratch, timeout_s=resources.timeout_s, variables=VERBOSE)
    try:
        operators = crew.load()
        multiply_adds = crew.multiply_adds(workloads[0]) if count else None
        outputs = {workload.name: _outputs(crew, workload, resources) for workload in workloads}
        return Seen(operators, outputs, multiply_adds, crew.log_text)
    finally:
        crew.close()


def _outputs(crew: Crew, workload: Workload, resources: Resources) -> Outputs:
    crew.bind(workload)
    path = resources.scratch / f"{crew.variant.name}-outputs.npz"
    crew.save_outputs(path)
    with np.load(path) as saved:
        return [saved[f"out{number}"] for number in range(len(saved.files))]
