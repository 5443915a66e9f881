"""Both builds' fused operator against the equations, in real workers; and that the check can fail."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from perf.builds import release_of
from perf.defects import defects_of
from perf.facts import RnnCheck
from perf.measure.family import Checked, Resources
from perf.measure.plan import Operator, Plan
from perf.measure.workers.inspection import Outputs
from perf.rnn.agreement import Inputs
from perf.rnn.example import CHECK
from perf.rnn.family import RnnFamily
from perf.rnn.parity import check_defect, check_random
from perf.rnn.reference import GATES, Sizes
from perf.rnn.runner import ExampleRunner
from perf.rnn.shapes import Shape, catalogue
from perf.rnn.verify import OWN_KERNEL, verify

FAMILY = RnnFamily()
SHAPES = [(3, 7, 16, 16), (1, 2, 16, 16)]


def plan_of(cell: str, resources: Resources, shapes: Sequence[Shape] = SHAPES) -> Plan[Any]:
    cases = FAMILY.cases("smoke", [cell], shapes)
    return FAMILY.plan(cases[0].subject, cases, resources)


@pytest.fixture(scope="module")
def native(resources: Resources) -> Iterator[ExampleRunner]:
    """A worker of the build without MKL-DNN."""
    with ExampleRunner(resources.build("native"), resources) as runner:
        yield runner


@pytest.fixture(scope="module")
def mkl(resources: Resources) -> Iterator[ExampleRunner]:
    """A worker of the build with MKL-DNN."""
    with ExampleRunner(resources.build("mkl"), resources) as runner:
        yield runner


@pytest.fixture(scope="module")
def every_cell(resources: Resources) -> dict[str, Mapping[str, Checked[RnnCheck]]]:
    """The check of each cell; two at a time, since most of it is importing MXNet."""

    def check(cell: str) -> Mapping[str, Checked[RnnCheck]]:
        own = replace(resources, scratch=resources.scratch / cell)
        own.scratch.mkdir()
        return verify(plan_of(cell, own), own)

    cells = sorted(catalogue().cells)
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(cells, pool.map(check, cells), strict=True))


@pytest.mark.parametrize("cell", sorted(catalogue().cells))
def test_both_builds_compute_what_the_equations_say(
    cell: str, every_cell: dict[str, Mapping[str, Checked[RnnCheck]]]
) -> None:
    checked = every_cell[cell]
    assert {name: check.problem for name, check in checked.items()} == {"native-fp32": None, "mkl-fp32": None}
    kernels = {name: check.facts.isa for name, check in checked.items() if check.facts}
    assert kernels["native-fp32"] == OWN_KERNEL
    fused = catalogue().cells[cell].mode in release_of("1.5.0")[0].recurrent
    assert (kernels["mkl-fp32"] != OWN_KERNEL) == fused


@pytest.mark.parametrize("cell", ["lstm", "rnn_tanh", "rnn_relu"])
def test_layers_over_an_input_of_another_width_are_wrong_in_mkl(cell: str, resources: Resources) -> None:
    """A defect of the wheel that the check must not let pass: apache/mxnet#17479."""
    checked = verify(plan_of(cell, resources, [(3, 7, 24, 16)]), resources)
    assert checked["native-fp32"].problem is None
    problem = checked["mkl-fp32"].problem
    assert problem is not None
    assert f"the outputs of {cell}-24-16-l2-n3-t7 differ from those of the equations by" in problem.what
    assert "known defect rnn-input-width of mxnet-mkl 1.5.0 (apache/mxnet#17479" in problem.what


def test_a_cell_other_than_that_of_the_equations_is_reported(resources: Resources) -> None:
    plan = plan_of("rnn_tanh", resources)
    native, mkl = plan.variants
    assert isinstance(mkl.program, Operator)
    wrong = replace(mkl.program, attributes={**mkl.program.attributes, "mode": "rnn_relu"})
    checked = verify(replace(plan, variants=(native, replace(mkl, program=wrong))), resources)
    assert checked["native-fp32"].problem is None
    problem = checked["mkl-fp32"].problem
    assert problem is not None
    assert "rnn_tanh-16-16-l2-n3-t7 differ from those of the equations by" in problem.what


def test_swapped_initial_states_are_reported(resources: Resources) -> None:
    plan = plan_of("lstm", resources)
    native, mkl = plan.variants
    assert isinstance(mkl.program, Operator)
    wrong = replace(mkl.program, inputs=("data", "parameters", "state_cell", "state"))
    checked = verify(replace(plan, variants=(native, replace(mkl, program=wrong))), resources)
    assert checked["native-fp32"].problem is None
    assert checked["mkl-fp32"].problem is not None


class SwappedGates(ExampleRunner):
    """A build whose LSTM takes its forget gate's parameters for the input gate's, and the other way round."""

    def outputs(self, sizes: Sizes, passes: Sequence[Inputs]) -> Outputs:
        return super().outputs(
            sizes, [{**inputs, "parameters": swapped(sizes, inputs["parameters"])} for inputs in passes]
        )


def swapped(sizes: Sizes, parameters: NDArray[Any]) -> NDArray[Any]:
    """Weights of all layers and directions, then their biases, each of 4 gates: input, forget, cell, output."""
    widths = [
        width
        for layer in range(sizes.layers)
        for _ in range(sizes.directions)
        for width in (sizes.layer_inputs(layer), sizes.hidden)
    ]
    blocks, start = [], 0
    for columns in [*widths, *[1] * len(widths)]:
        size = 4 * sizes.hidden * columns
        blocks.append(parameters[start : start + size].reshape(4, -1)[[1, 0, 2, 3]].ravel())
        start += size
    assert start == len(parameters)
    return np.concatenate(blocks)


def test_swapped_gates_are_reported_with_the_smallest_network(resources: Resources) -> None:
    with SwappedGates(resources.build("mkl"), resources) as runner:
        answer = check_random("lstm", {"mkl": runner}, seed=1, count=20)
    assert answer.verdict == "wrong"
    assert answer.problem is not None
    smallest = 'mode = "lstm", inputs = 1, hidden = 1, layers = 1, directions = 1, batch = 1, steps = 1'
    assert smallest in answer.problem


@pytest.mark.parametrize("mode", GATES)
def test_random_networks_agree_with_the_equations(mode: str, native: ExampleRunner, mkl: ExampleRunner) -> None:
    assert check_random(mode, {"native": native, "mkl": mkl}, seed=1, count=10).problem is None


def test_a_defect_that_is_declared_for_a_sound_build_is_a_problem(native: ExampleRunner) -> None:
    declared = defects_of(CHECK)["rnn-input-width"]
    wrong = msgspec.structs.replace(declared, affects={"mxnet": ["1.5.0"]})
    problem = check_defect("rnn-input-width", wrong, {"native": native}).problem
    assert problem == (
        "the defect rnn-input-width is declared for mxnet 1.5.0, but its example passes: remove it from "
        "perf/defects.toml"
    )


def test_a_defect_that_is_not_declared_for_a_build_is_a_problem(mkl: ExampleRunner) -> None:
    declared = defects_of(CHECK)["rnn-input-width"]
    wrong = msgspec.structs.replace(declared, affects={})
    problem = check_defect("rnn-input-width", wrong, {"mkl": mkl}).problem
    assert problem is not None
    assert problem.startswith("the defect rnn-input-width is not declared for mxnet-mkl 1.5.0, but its example fails: ")
