"""Before any timing counts: every variant must compute what the equations say, with the kernels it is measured for."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perf.measure.crew import SEED, Crew
from perf.measure.family import Checked, Resources
from perf.measure.instance import WorkerError
from perf.measure.plan import Operator, Plan, Variant, Workload
from perf.measure.results import Failure
from perf.rnn.reference import Sizes, run

# Names every primitive that runs (MKL-DNN 0.19, "Performance profiling").
VERBOSE = {"MKLDNN_VERBOSE": "1"}
_EXECUTED = re.compile(r"^mkldnn_verbose,exec,rnn,([^,]+),", re.MULTILINE)
# Largest difference from the equations in double precision. Hidden states of LSTM, GRU and tanh cells lie within 1;
# every step adds rounding of FP32 (2^-24) in sums of up to 2048 products, over 50 steps and 8 layers. Of a relu cell
# the states may be larger: there it is relative to the largest output.
AGREEMENT = 1e-4


def verify(plan: Plan, resources: Resources) -> dict[str, Checked]:
    """Run every variant once at every workload, on the same inputs as will be timed."""
    expected = {workload.name: _expected(plan, workload) for workload in plan.workloads}
    return {variant.name: _check(variant, plan, expected, resources) for variant in plan.variants}


def _check(
    variant: Variant, plan: Plan, expected: Mapping[str, NDArray[np.float64]], resources: Resources
) -> Checked:
    differences: dict[str, float] = {}
    crew = Crew(
        variant, resources.placements[:1], resources.scratch, timeout_s=resources.timeout_s, variables=VERBOSE
    )
    try:
        crew.load()
        for workload in plan.workloads:
            crew.bind(workload)
            path = resources.scratch / f"{variant.name}-outputs.npz"
            crew.save_outputs(path)
            with np.load(path) as saved:
                differences[workload.name] = _difference(saved["out0"], expected[workload.name])
        kernels = sorted(set(_EXECUTED.findall(crew.log_text)))
    except WorkerError as error:
        return Checked(Failure(f"while its answers were checked: {error.what}", error.last_words), {})
    finally:
        crew.close()
    wrong = [f"{name} differs by {found:.2g}" for name, found in differences.items() if not found <= AGREEMENT]
    if variant.build.facts.mkldnn and not kernels:
        wrong.append("MKL-DNN ran no RNN primitive")
    facts = {"isa": ", ".join(kernels) or "unknown", "output_difference": max(differences.values())}
    problem = f"against the equations in double precision, over {AGREEMENT:g}: " if differences else ""
    return Checked(Failure(problem + "; ".join(wrong), "") if wrong else None, facts)


def _difference(output: NDArray[np.float32], expected: NDArray[np.float64]) -> float:
    """The largest difference, relative to the largest expected output where that is above 1; NaN stays NaN."""
    return float(np.abs(output - expected).max() / max(1.0, float(np.abs(expected).max())))


def _expected(plan: Plan, workload: Workload) -> NDArray[np.float64]:
    operator: Any = plan.variants[0].program
    inputs = drawn(workload)
    states = {name: array for name, array in inputs.items() if name.startswith("state")}
    return run(_sizes(operator, workload), inputs["data"], inputs["parameters"], states)


def drawn(workload: Workload) -> dict[str, NDArray[np.float64]]:
    """The inputs that a worker draws when it binds the workload (perf.worker.graph.Graph.bind)."""
    draw = np.random.RandomState(SEED)
    return {
        name: (draw.standard_normal(shape) * workload.scales.get(name, 1.0)).astype(np.float32).astype(np.float64)
        for name, shape in workload.inputs.items()
    }


def _sizes(operator: Operator, workload: Workload) -> Sizes:
    attributes: Mapping[str, Any] = operator.attributes
    return Sizes(
        str(attributes["mode"]),
        workload.inputs["data"][2],
        int(attributes["state_size"]),
        int(attributes["num_layers"]),
        2 if attributes["bidirectional"] else 1,
    )
