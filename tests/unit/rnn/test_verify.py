"""Outputs of recurrent networks compared with those of the equations."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perf.defects import defects_of
from perf.measure.plan import Plan
from perf.rnn.agreement import Distance, ExpectedOutputs, distance
from perf.rnn.example import CHECK, COVERS, example_of
from perf.rnn.family import RnnFamily
from perf.rnn.verify import judge_variant
from tests.support.fakes import build, resources


@pytest.fixture
def plan(tmp_path: Path) -> Plan[Any]:
    """Return a plan of an LSTM in a build without MKL-DNN and in one with it."""
    family = RnnFamily()
    cases = family.cases("smoke", ["lstm"], [(3, 7, 16, 16), (1, 2, 16, 16)])
    made = resources(tmp_path, builds=lambda role: build(role, mkldnn=role == "mkl"))
    return family.plan(cases[0].subject, cases, made)


def test_a_build_that_ran_no_primitive_has_a_problem(plan: Plan[Any]) -> None:
    (_, mkl) = plan.variants
    problem = judge_variant(mkl, [(plan.workloads[0], Distance(0, 1))], []).problem
    assert problem is not None
    assert problem.what == "MKL-DNN ran no RNN primitive"


@pytest.mark.parametrize(
    ("version", "mode", "problem"),
    [
        ("1.4.1", "lstm", None),
        ("1.5.1", "gru", None),
        ("1.6.0", "lstm", "MKL-DNN ran no RNN primitive"),
        ("1.9.1", "lstm", "MKL-DNN ran no RNN primitive"),
    ],
)
def test_a_release_must_run_the_primitive_for_the_modes_that_it_has(
    version: str, mode: str, problem: str | None, tmp_path: Path
) -> None:
    made = resources(tmp_path, builds=lambda role: build(role, mxnet=version, mkldnn=role == "mkl"))
    family = RnnFamily()
    cases = family.cases("smoke", [mode])
    plan = family.plan(cases[0].subject, cases, made)
    (_, mkl) = plan.variants
    failure = judge_variant(mkl, [(plan.workloads[0], Distance(0, 1))], []).problem
    assert (failure and failure.what) == problem


@pytest.mark.parametrize("spoiled", [2e-6, np.nan, np.inf])
def test_a_wrong_value_in_any_output_is_a_problem(spoiled: float, plan: Plan[Any]) -> None:
    (native, _) = plan.variants
    sound = [np.zeros((5, 2, 4)), np.zeros((2, 2, 4))]
    outputs = [sound[0], np.zeros((2, 2, 4))]
    outputs[1][1, 0, 3] = spoiled
    wrong = distance(outputs, ExpectedOutputs(sound, 1e-6))
    assert judge_variant(native, [(plan.workloads[0], wrong)], []).problem is not None
    assert not distance(sound, ExpectedOutputs(sound, 1e-6)).too_large


def test_every_declared_defect_covers_its_example() -> None:
    declared = defects_of(CHECK)
    assert set(declared) == set(COVERS)
    for name, defect in declared.items():
        assert COVERS[name](example_of(defect))
