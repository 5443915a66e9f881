"""What a variant runs as a stack, and a stored stack put back."""

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as changed

from perf.builds import BLAS_KERNELS, Build, Mpi
from perf.dist.program import TrainingProgram
from perf.files import ROOT
from perf.machine import Placement
from perf.measure.plan import Operator, Plan, Program, Runner, Variant, Workload, content_of
from perf.measure.stacks import MEASURING, BaselineArm, _bare, baseline_arm_of, measuring_code, stack_of
from perf.stack import Stack, differing
from tests.support.factories import as_stack
from tests.support.fakes import PLACEMENTS, build

BINDING = {"KMP_AFFINITY": "compact"}
OLD_WHEEL = "b" * 64
INTEL = Mpi("intel", "2021.18.1", Path("/opt/mpi"), bundled=False)


class Seats:
    """Stands in for the start of training jobs, on as many seats as there are ranks."""

    def placement_of(self, variant: Variant[Any]) -> tuple[str, ...]:
        assert isinstance(variant.program, TrainingProgram)
        return tuple(f"seat {number}" for number in range(variant.program.ranks))

    def prefixes_of(self, variant: Variant[Any]) -> list[tuple[str, ...]]:
        raise NotImplementedError(f"the prefixes of {variant.name} are no part of a stack")

    def __call__(
        self, variant: Variant[Any], placements: Sequence[Placement], scratch: Path, *, timeout_s: float
    ) -> Runner:
        raise NotImplementedError("a stack is described without beginning its job")


def stored_program(folder: Path, stem: str = "fp32", symbol: str = "{}", subgraph: str | None = None) -> Program:
    """A program whose two files lie in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    files = folder / f"{stem}.json", folder / f"{stem}.params"
    files[0].write_text(symbol)
    files[1].write_bytes(b"parameters")
    return Program(*files, subgraph, content_of(*files))


def plan_of(variant: Variant[Any], start: Seats | None = None) -> Plan[Any]:
    return Plan("net", (variant,), (Workload("net-b1", {}, 1, 1.0),), variant.name, start, family="made")


def inference(program: Program | Operator, extra_work: float = 0.0) -> Plan[Any]:
    wheel = build("mkl", variables=BINDING, requirement="mxnet-mkl==1.5.0", mkldnn=True)
    return plan_of(Variant("mkl-fp32", wheel, program, extra_work=extra_work))


def training(task: Mapping[str, Any], variables: Mapping[str, str]) -> Plan[Any]:
    wheel = build("mkl-dist", variables=BINDING, requirement="mxnet-mkl==1.5.0", mkldnn=True, mpi=INTEL)
    return plan_of(Variant("r2", wheel, TrainingProgram("resnet18_v1/b4", 2, task, variables)), Seats())


def stack(plan: Plan[Any]) -> Stack:
    return stack_of(plan, plan.variants[0], PLACEMENTS)


def no_build(_: Build, then: Stack) -> Build | None:
    raise AssertionError(f"a build was looked for: {then}")


def baseline_arm(plan: Plan[Any], then: Stack, build_like: Any = no_build) -> BaselineArm | None:
    return baseline_arm_of(plan, plan.variants[0], then, PLACEMENTS, build_like)


def program_in(program: Program, label: str) -> Program:
    """The program of a stored stack with this label, as far as it can be had."""
    return program.as_in(changed(as_stack(), program=label))


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return stored_program(tmp_path / "networks" / "net-0123")


@pytest.fixture
def plan(program: Program) -> Plan[Any]:
    return inference(program)


def test_a_stack_holds_all_that_decides_what_runs(program: Program, plan: Plan[Any]) -> None:
    found = stack(plan)
    assert (found.requirement, found.wheel) == ("mxnet-mkl==1.5.0", "a" * 64)
    assert (found.python, found.numpy, found.openmp, found.blas_kernels) == ("3.11.7", "1.23.5", None, None)
    assert found.program == f"net-0123/fp32 {program.content[:12]} no subgraph"
    assert (found.variables, found.threads) == (BINDING, 1)
    assert found.placement == (PLACEMENTS[0].describe(),)
    assert (found.horovod, found.mpi, found.job, found.injected) == (None, None, {}, 0.0)
    assert found.measuring == measuring_code()


def test_the_same_files_are_the_same_program_wherever_they_lie(tmp_path: Path) -> None:
    one, two = (stored_program(tmp_path / where / "net-0123") for where in ("a", "b"))
    assert one.label == two.label
    other = stored_program(tmp_path / "c" / "net-0123", symbol="[]")
    assert other.label != one.label
    assert replace(one, subgraph="MKLDNN").label != one.label


def test_the_same_files_made_in_another_way_are_the_same_program(tmp_path: Path) -> None:
    one, two = (stack(inference(stored_program(tmp_path / name))) for name in ("net-0123", "net-4567"))
    assert one.program != two.program
    assert not differing(one, two)
    other = stack(inference(stored_program(tmp_path / "net-89ab", symbol="[]")))
    assert differing(one, other) == {"program"}


def test_a_training_job_is_in_its_stack() -> None:
    found = stack(training({"batch": 4, "optimizer": {"momentum": 0.9}}, {"HOROVOD_CYCLE_TIME": "10"}))
    assert found.variables == {**BINDING, "HOROVOD_CYCLE_TIME": "10"}
    assert found.job == {"batch": 4, "optimizer": {"momentum": 0.9}}
    assert (found.mpi, found.placement) == ("Intel MPI 2021.18.1", ("seat 0", "seat 1"))


def test_shell_variables_are_in_the_stacks_of_the_processes_that_inherit_them(
    plan: Plan[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LD_LIBRARY_PATH", "FI_PROVIDER", "HOROVOD_LOG_LEVEL", "KMP_BLOCKTIME", "MXNET_ENGINE_TYPE", "EDITOR"):
        monkeypatch.setenv(name, "user")
    of_ranks = stack(training({}, {})).environment
    assert {name for name, value in of_ranks.items() if value == "user"} == {
        "LD_LIBRARY_PATH",
        "FI_PROVIDER",
        "HOROVOD_LOG_LEVEL",
    }
    assert {name for name, value in stack(plan).environment.items() if value == "user"} == {"LD_LIBRARY_PATH"}


def test_variables_are_put_back(plan: Plan[Any]) -> None:
    then = changed(stack(plan), variables={"KMP_AFFINITY": "none", "KMP_BLOCKTIME": "0"})
    found = baseline_arm(plan, then)
    assert found is not None
    assert found.variant.name == "mkl-fp32@baseline"
    assert found.variant.build.variables == then.variables
    assert found.stack == then


def test_a_twin_is_judged_over_nothing_and_knows_whose_it_is(plan: Plan[Any]) -> None:
    plan = replace(plan, variants=(replace(plan.variants[0], over=("native-fp32",)),))
    found = baseline_arm(plan, changed(stack(plan), variables={}))
    assert found is not None
    assert (found.variant.over, found.variant.baseline_arm_of) == ((), "mkl-fp32")


def test_what_is_slowed_down_on_purpose_runs_beside_what_is_not(program: Program) -> None:
    plan = inference(program, extra_work=0.6)
    then = changed(stack(plan), injected=0.0)
    found = baseline_arm(plan, then)
    assert found is not None
    assert (found.variant.extra_work, found.stack) == (0.0, then)


def test_blas_kernels_are_put_back_with_the_variable_that_chooses_them(program: Program) -> None:
    wheel = build(variables={}, blas_kernels="Prescott")
    plan = plan_of(Variant("native-fp32", wheel, program))
    then = changed(stack(plan), variables={BLAS_KERNELS: "Haswell"}, blas_kernels="Haswell")
    found = baseline_arm(plan, then)
    assert found is not None
    assert found.stack == then
    assert baseline_arm(plan, changed(stack(plan), blas_kernels="Haswell")) is None, (
        "the kernels alone cannot be chosen"
    )


def test_another_wheel_is_put_back_with_the_stored_variables(plan: Plan[Any]) -> None:
    old = build("mkl", requirement="./old.whl", content_sha256=OLD_WHEEL, mkldnn=True)
    then = changed(stack(plan), requirement="./old.whl", wheel=OLD_WHEEL, variables={"KMP_AFFINITY": "none"})
    found = baseline_arm(plan, then, build_like=lambda _, stored: old if stored == then else None)
    assert found is not None
    assert found.variant.build == replace(old, variables={"KMP_AFFINITY": "none"})
    assert found.stack == then


@pytest.mark.parametrize("field", ["python", "numpy", "openmp"])
def test_a_build_is_looked_for_when_its_surroundings_differ(plan: Plan[Any], field: str) -> None:
    other: dict[str, Any] = {field: "other"}
    then = changed(stack(plan), **other)
    old = build("mkl", requirement="mxnet-mkl==1.5.0", mkldnn=True, **other)
    found = baseline_arm(plan, then, build_like=lambda *_: old)
    assert found is not None
    assert found.stack == then


def test_a_stored_program_is_put_back(plan: Plan[Any], tmp_path: Path) -> None:
    old = stored_program(tmp_path / "networks" / "net-old", symbol="[]")
    then = changed(stack(plan), program=old.label)
    found = baseline_arm(plan, then)
    assert found is not None
    assert (found.variant.program, found.stack) == (old, then)


def test_a_job_and_its_variables_are_put_back() -> None:
    plan = training({"batch": 4, "seed": 1}, {"HOROVOD_CYCLE_TIME": "10"})
    then = changed(stack(plan), job={"batch": 4, "seed": 2}, variables={**BINDING, "HOROVOD_CYCLE_TIME": "1"})
    found = baseline_arm(plan, then)
    assert found is not None
    assert isinstance(found.variant.program, TrainingProgram)
    assert found.variant.program.arguments == {"batch": 4, "seed": 2}
    assert found.variant.program.variables == {"HOROVOD_CYCLE_TIME": "1"}
    assert found.variant.build.variables == BINDING
    assert found.stack == then


def test_a_stored_run_can_load_nothing_by_its_variables_or_settings(plan: Plan[Any]) -> None:
    evil = {"LD_PRELOAD": "/evil.so", "MXNET_LIBRARY_PATH": "/evil.so", "PYTHONPATH": "evil", "PATH": "evil"}
    found = baseline_arm(plan, changed(stack(plan), variables={**evil, "KMP_AFFINITY": "none"}))
    assert found is not None
    assert found.variant.build.variables == {"KMP_AFFINITY": "none"}
    job = training({"batch": 4}, {"HOROVOD_CYCLE_TIME": "10", "I_MPI_PIN": "off"})
    variables = {**BINDING, **evil, "HOROVOD_CYCLE_TIME": "1", "I_MPI_PIN": "/evil", "I_MPI_PMI_LIBRARY": "evil.so"}
    side_by_side = baseline_arm(job, changed(stack(job), variables=variables, job={"batch": 2, "checkpoint": "/evil"}))
    assert side_by_side is not None
    assert isinstance(side_by_side.variant.program, TrainingProgram)
    assert side_by_side.variant.program.arguments == {"batch": 2}
    assert side_by_side.variant.program.variables == {"HOROVOD_CYCLE_TIME": "1"}
    assert side_by_side.variant.build.variables == BINDING


def test_what_cannot_be_put_back_stays_as_it_is(plan: Plan[Any]) -> None:
    then = changed(stack(plan), variables={}, threads=8, environment={"LD_LIBRARY_PATH": "/old"})
    found = baseline_arm(plan, then)
    assert found is not None
    assert found.variant.build.variables == {}
    assert differing(then, found.stack) == {"threads", "environment LD_LIBRARY_PATH"}


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
def test_there_is_no_twin_when_nothing_that_differs_can_be_put_back(plan: Plan[Any], then: dict[str, Any]) -> None:
    stored = changed(stack(plan), **then)
    assert baseline_arm(plan, stored, build_like=lambda *_: None) is None


def test_a_program_is_found_by_its_label(program: Program, tmp_path: Path) -> None:
    for subgraph in (None, "MKLDNN_QUANTIZE"):
        old = stored_program(tmp_path / "networks" / "net-old", "int8", "[]", subgraph)
        assert program_in(program, old.label) == old


@pytest.mark.parametrize("damage", ["symbol", "params"])
def test_a_program_with_other_content_is_not_taken(program: Program, tmp_path: Path, damage: str) -> None:
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
def test_a_label_that_leads_out_of_the_stored_programs_is_not_followed(
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
def test_what_is_no_label_names_no_program(program: Program, label: str) -> None:
    assert program_in(program, label) == program


def bare(source: str) -> str:
    return ast.dump(_bare(ast.parse(source)))


CODE = '''
"""What it is for."""
class A:
    """What an A is."""

    def f(self, x):
        """What f does."""
        return x + 1  # because
'''


def test_comments_docstrings_and_layout_do_not_change_the_measuring_code() -> None:
    rewritten = CODE.replace("because", "for another reason").replace("What", "Which").replace("x + 1", "(x  +  1)")
    without = re.sub(r'\s*""".*"""', "", CODE)
    assert rewritten != CODE != without
    assert bare(rewritten) == bare(CODE) == bare(without)


@pytest.mark.parametrize(("old", "new"), [("+ 1", "+ 2"), ("def f", "def g"), ("class A", "class A(B)")])
def test_anything_else_changes_it(old: str, new: str) -> None:
    assert bare(CODE.replace(old, new)) != bare(CODE)


def test_a_string_that_is_no_docstring_is_code() -> None:
    assert bare("x = 'one'") != bare("x = 'two'")
    assert bare("f()\n'one'") != bare("f()\n'two'")


def test_the_measuring_code_is_that_of_workers_and_turns() -> None:
    assert re.fullmatch(r"[0-9a-f]{12}", measuring_code())
    measured_by = {"perf/measure/engine.py", "perf/measure/workers/turns.py", "perf/measure/workers/worker_group.py"}
    assert {"perf/worker", "perf/dist/rank_group.py", "perf/dist/launch/running.py", *measured_by} == set(MEASURING)
    assert all((ROOT / name).exists() for name in MEASURING)


def test_the_requirement_alone_is_no_difference(plan: Plan[Any]) -> None:
    now = stack(plan)
    assert differing(now, changed(now, requirement="./the-same-files.whl")) == set()
