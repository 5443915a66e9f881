"""A stored stack put back: what the baseline arm of a case runs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as changed

from perf.builds import BLAS_KERNELS
from perf.dist.program import TrainingProgram
from perf.measure.plan import Plan, Program, Variant
from perf.stack import differing
from tests.support.fakes import build
from tests.unit.measure.conftest import (
    BINDING,
    OLD_WHEEL,
    baseline_arm,
    inference,
    plan_of,
    program_in,
    stack,
    stored_program,
    training,
)


def test_variables_are_restored(plan: Plan[Any]) -> None:
    then = changed(stack(plan), variables={"KMP_AFFINITY": "none", "KMP_BLOCKTIME": "0"})
    arm = baseline_arm(plan, then)
    assert arm is not None
    assert arm.variant.name == "mkl-fp32@baseline"
    assert arm.variant.build.variables == then.variables
    assert arm.stack == then


def test_a_baseline_arm_is_judged_over_nothing_and_names_its_variant(plan: Plan[Any]) -> None:
    plan = replace(plan, variants=(replace(plan.variants[0], over=("native-fp32",)),))
    arm = baseline_arm(plan, changed(stack(plan), variables={}))
    assert arm is not None
    assert (arm.variant.over, arm.variant.baseline_arm_of) == ((), "mkl-fp32")


def test_an_injected_slowdown_is_absent_from_the_baseline_arm(program: Program) -> None:
    plan = inference(program, extra_work=0.6)
    then = changed(stack(plan), injected=0.0)
    arm = baseline_arm(plan, then)
    assert arm is not None
    assert (arm.variant.extra_work, arm.stack) == (0.0, then)


def test_blas_kernels_are_restored_with_the_variable_that_selects_them(program: Program) -> None:
    wheel = build(variables={}, blas_kernels="Prescott")
    plan = plan_of(Variant("native-fp32", wheel, program))
    then = changed(stack(plan), variables={BLAS_KERNELS: "Haswell"}, blas_kernels="Haswell")
    arm = baseline_arm(plan, then)
    assert arm is not None
    assert arm.stack == then
    assert baseline_arm(plan, changed(stack(plan), blas_kernels="Haswell")) is None, (
        "the kernels alone cannot be chosen"
    )


def test_another_wheel_is_restored_with_the_stored_variables(plan: Plan[Any]) -> None:
    old = build("mkl", requirement="./old.whl", content_sha256=OLD_WHEEL, mkldnn=True)
    then = changed(stack(plan), requirement="./old.whl", wheel=OLD_WHEEL, variables={"KMP_AFFINITY": "none"})
    arm = baseline_arm(plan, then, build_like=lambda _, stored: old if stored == then else None)
    assert arm is not None
    assert arm.variant.build == replace(old, variables={"KMP_AFFINITY": "none"})
    assert arm.stack == then


@pytest.mark.parametrize("field", ["python", "numpy", "openmp"])
def test_a_build_with_the_stored_python_numpy_or_libgomp_is_used(plan: Plan[Any], field: str) -> None:
    other: dict[str, Any] = {field: "other"}
    then = changed(stack(plan), **other)
    old = build("mkl", requirement="mxnet-mkl==1.5.0", mkldnn=True, **other)
    arm = baseline_arm(plan, then, build_like=lambda *_: old)
    assert arm is not None
    assert arm.stack == then


def test_a_stored_program_is_restored(plan: Plan[Any], tmp_path: Path) -> None:
    old = stored_program(tmp_path / "networks" / "net-old", symbol="[]")
    then = changed(stack(plan), program=old.label)
    arm = baseline_arm(plan, then)
    assert arm is not None
    assert (arm.variant.program, arm.stack) == (old, then)


def test_a_job_and_its_variables_are_restored() -> None:
    plan = training({"batch": 4, "seed": 1}, {"HOROVOD_CYCLE_TIME": "10"})
    then = changed(stack(plan), job={"batch": 4, "seed": 2}, variables={**BINDING, "HOROVOD_CYCLE_TIME": "1"})
    arm = baseline_arm(plan, then)
    assert arm is not None
    assert isinstance(arm.variant.program, TrainingProgram)
    assert arm.variant.program.arguments == {"batch": 4, "seed": 2}
    assert arm.variant.program.variables == {"HOROVOD_CYCLE_TIME": "1"}
    assert arm.variant.build.variables == BINDING
    assert arm.stack == then


def test_variables_and_settings_of_a_stored_run_cannot_load_anything(plan: Plan[Any]) -> None:
    evil = {"LD_PRELOAD": "/evil.so", "MXNET_LIBRARY_PATH": "/evil.so", "PYTHONPATH": "evil", "PATH": "evil"}
    arm = baseline_arm(plan, changed(stack(plan), variables={**evil, "KMP_AFFINITY": "none"}))
    assert arm is not None
    assert arm.variant.build.variables == {"KMP_AFFINITY": "none"}
    job = training({"batch": 4}, {"HOROVOD_CYCLE_TIME": "10", "I_MPI_PIN": "off"})
    variables = {**BINDING, **evil, "HOROVOD_CYCLE_TIME": "1", "I_MPI_PIN": "/evil", "I_MPI_PMI_LIBRARY": "evil.so"}
    side_by_side = baseline_arm(job, changed(stack(job), variables=variables, job={"batch": 2, "checkpoint": "/evil"}))
    assert side_by_side is not None
    assert isinstance(side_by_side.variant.program, TrainingProgram)
    assert side_by_side.variant.program.arguments == {"batch": 2}
    assert side_by_side.variant.program.variables == {"HOROVOD_CYCLE_TIME": "1"}
    assert side_by_side.variant.build.variables == BINDING


def test_what_cannot_be_restored_stays_as_it_is(plan: Plan[Any]) -> None:
    then = changed(stack(plan), variables={}, threads=8, environment={"LD_LIBRARY_PATH": "/old"})
    arm = baseline_arm(plan, then)
    assert arm is not None
    assert arm.variant.build.variables == {}
    assert differing(then, arm.stack) == {"threads", "environment LD_LIBRARY_PATH"}


@pytest.mark.parametrize(
    "then",
    [
        {},
        {"requirement": "./the-same-files.whl"},
        {"threads": 8},
        {"placement": ("elsewhere",)},
        {"environment": {"LD_LIBRARY_PATH": "/old"}},
        {"mpi": "Open MPI 4.1.4"},
        {"horovod": "horovod 0123456789ab"},
        {"measuring": "0123456789ab"},
        {"wheel": OLD_WHEEL},
        {"program": "net-lost/fp32 0123456789ab no subgraph"},
    ],
)
def test_there_is_no_baseline_arm_when_no_difference_can_be_restored(plan: Plan[Any], then: dict[str, Any]) -> None:
    stored = changed(stack(plan), **then)
    assert baseline_arm(plan, stored, build_like=lambda *_: None) is None


def test_a_stored_program_is_located_by_its_label(program: Program, tmp_path: Path) -> None:
    for subgraph in (None, "MKLDNN_QUANTIZE"):
        old = stored_program(tmp_path / "networks" / "net-old", "int8", "[]", subgraph)
        assert program_in(program, old.label) == old


def test_a_stored_program_that_was_made_in_another_folder_is_located_by_its_content(
    program: Program, tmp_path: Path
) -> None:
    """The files of a release's own quantiser are no stand-in for those of the baseline's release."""
    own = stored_program(tmp_path / "networks" / "net-1.6.0-0123", "int8", "[1]")
    old = stored_program(tmp_path / "networks" / "net-4567", "int8", "[]")
    elsewhere = old.label.replace("net-4567", "net-89ab")
    assert program_in(own, elsewhere) == old
    assert program_in(own, elsewhere.replace("net-", "other-")) == own, "another network"
    assert program_in(program, elsewhere.replace("int8 ", "fp32 ")) == program, "other files"


@pytest.mark.parametrize("damage", ["symbol", "params"])
def test_a_program_with_other_content_is_not_used(program: Program, tmp_path: Path, damage: str) -> None:
    old = stored_program(tmp_path / "networks" / "net-old")
    path: Path = getattr(old, damage)
    path.write_bytes(path.read_bytes() + b" ")
    assert program_in(program, old.label) == program
    path.unlink()
    assert program_in(program, old.label) == program


@pytest.mark.parametrize(
    "place",
    [
        "../x/fp32",
        "./fp32",
        "net-0123/../../x/fp32",
        "net-0123/../fp32",
        "x/y/fp32",
        "{outside}/fp32",
        "/{outside}/fp32",
    ],
)
def test_a_label_that_leads_outside_the_stored_programs_is_ignored(
    program: Program, tmp_path: Path, place: str
) -> None:
    """All files that the label could lead to are there, with the right content: the path alone refuses them."""
    networks = tmp_path / "networks"
    outside = tmp_path / "x"
    for folder in (outside, networks, networks / "x" / "y"):
        stored_program(folder)
    label = f"{place.format(outside=outside)} {program.content[:12]} no subgraph"
    assert program_in(program, label) == program


@pytest.mark.parametrize(
    "label", ["", "net", "net/fp32", "net-0123/fp32  no subgraph", f"{'n' * 300}/fp32 0123456789ab x"]
)
def test_an_invalid_label_names_no_program(program: Program, label: str) -> None:
    assert program_in(program, label) == program
