"""Both builds' fused operator against the equations, in real workers; and that the check can fail."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from perf.measure.family import Resources
from perf.measure.plan import Operator, Plan
from perf.rnn.family import RnnFamily
from perf.rnn.shapes import Shape, catalogue
from perf.rnn.verify import AGREEMENT, OWN_KERNEL, difference, judged, verify

pytestmark = pytest.mark.real

FAMILY = RnnFamily()
SHAPES = [(3, 7, 16, 16), (1, 2, 16, 16)]


def plan_of(cell: str, resources: Resources, shapes: Sequence[Shape] = SHAPES) -> Plan:
    cases = FAMILY.cases("smoke", [cell], shapes)
    return FAMILY.plan(cases[0].subject, cases, resources)


@pytest.mark.parametrize("cell", sorted(catalogue().cells))
def test_both_builds_compute_what_the_equations_say(cell: str, resources: Resources) -> None:
    checked = verify(plan_of(cell, resources), resources)
    assert {name: check.problem for name, check in checked.items()} == {"native-fp32": None, "mkl-fp32": None}
    assert checked["native-fp32"].facts["isa"] == OWN_KERNEL
    fused = catalogue().cells[cell].mode in catalogue().mkldnn_modes
    assert (checked["mkl-fp32"].facts["isa"] != OWN_KERNEL) == fused


@pytest.mark.parametrize("cell", ["lstm", "rnn_tanh", "rnn_relu"])
def test_layers_over_an_input_of_another_width_come_out_wrong_in_mkl(cell: str, resources: Resources) -> None:
    """A defect of the wheel that the check must not let pass: apache/mxnet#17479."""
    checked = verify(plan_of(cell, resources, [(3, 7, 24, 16)]), resources)
    assert checked["native-fp32"].problem is None
    problem = checked["mkl-fp32"].problem
    assert problem is not None
    assert f"the outputs of {cell}-24-16-l2-n3-t7 differ from the equations' by" in problem.what


def test_another_cell_than_the_equations_is_found(resources: Resources) -> None:
    plan = plan_of("rnn_tanh", resources)
    native, mkl = plan.variants
    assert isinstance(mkl.program, Operator)
    wrong = replace(mkl.program, attributes={**mkl.program.attributes, "mode": "rnn_relu"})
    checked = verify(replace(plan, variants=(native, replace(mkl, program=wrong))), resources)
    assert checked["native-fp32"].problem is None
    problem = checked["mkl-fp32"].problem
    assert problem is not None
    assert "rnn_tanh-16-16-l2-n3-t7 differ from the equations' by" in problem.what


def test_a_build_without_its_primitive_is_found(resources: Resources) -> None:
    (_, mkl) = plan_of("lstm", resources).variants
    problem = judged(mkl, {"lstm": 0.0}, []).problem
    assert problem is not None
    assert problem.what == "MKL-DNN ran no RNN primitive"


@pytest.mark.parametrize("spoiled", [2 * AGREEMENT, np.nan, np.inf])
def test_a_wrong_value_in_any_output_is_found(spoiled: float, resources: Resources) -> None:
    (native, _) = plan_of("lstm", resources).variants
    sound = [np.zeros((5, 2, 4)), np.zeros((2, 2, 4))]
    outputs = [sound[0], np.zeros((2, 2, 4))]
    outputs[1][1, 0, 3] = spoiled
    assert difference(sound, sound) == 0
    assert judged(native, {"lstm": difference(outputs, sound)}, []).problem is not None
