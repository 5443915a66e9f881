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
from perf.dist.rank_group import TrainingJob
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


class FakeStart:
    """Stands in for the start of training jobs, with one placement for each rank."""

    def placement_of(self, variant: Variant[Any]) -> tuple[str, ...]:
        assert isinstance(variant.program, TrainingJob)
        return tuple(f"rank {number}" for number in range(variant.program.ranks))

    def prefixes_of(self, variant: Variant[Any]) -> list[tuple[str, ...]]:
        raise NotImplementedError(f"the prefixes of {variant.name} are not part of a stack")

    def __call__(
        self, variant: Variant[Any], placements: Sequence[Placement], scratch: Path, *, timeout_s: float
    ) -> Runner:
        raise NotImplementedError("a stack is described without starting its job")


def stored_program(folder: Path, stem: str = "fp32", symbol: str = "{}", subgraph: str | None = None) -> Program:
    """A program whose two files are in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    files = folder / f"{stem}.json", folder / f"{stem}.params"
    files[0].write_text(symbol)
    files[1].write_bytes(b"parameters")
    return Program(*files, subgraph, content_of(*files))


def plan_of(variant: Variant[Any], start: FakeStart | None = None) -> Plan[Any]:
    return Plan("net", (variant,), (Workload("net-b1", {}, 1, 1.0),), variant.name, start, family="made")


def inference(program: Program | Operator, extra_work: float = 0.0) -> Plan[Any]:
    wheel = build("mkl", variables=BINDING, requirement="mxnet-mkl==1.5.0", mkldnn=True)
    return plan_of(Variant("mkl-fp32", wheel, program, extra_work=extra_work))


def training(task: Mapping[str, Any], variables: Mapping[str, str]) -> Plan[Any]:
    wheel = build("mkl-dist", variables=BINDING, requirement="mxnet-mkl==1.5.0", mkldnn=True, mpi=INTEL)
    return plan_of(Variant("r2", wheel, TrainingJob("resnet18_v1/b4", 2, task, variables)), FakeStart())


def stack(plan: Plan[Any]) -> Stack:
    return stack_of(plan, plan.variants[0], PLACEMENTS)


def no_build(_: Build, then: Stack) -> Build | None:
    raise AssertionError(f"a build was requested: {then}")


def baseline_arm(plan: Plan[Any], then: Stack, build_like: Any = no_build) -> BaselineArm | None:
    return baseline_arm_of(plan, plan.variants[0], then, PLACEMENTS, build_like)


def program_in(program: Program, label: str) -> Program:
    """The program of a stored stack with this label, or `program`."""
    return program.as_in(changed(as_stack(), program=label))


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return stored_program(tmp_path / "networks" / "net-0123")


@pytest.fixture
def plan(program: Program) -> Plan[Any]:
    return inference(program)


def test_a_stack_has_everything_that_determines_what_runs(program: Program, plan: Plan[Any]) -> None:
    actual = stack(plan)
    assert (actual.requirement, actual.wheel) == ("mxnet-mkl==1.5.0", "a" * 64)
    assert (actual.python, actual.numpy, actual.openmp, actual.blas_kernels) == ("3.11.7", "1.23.5", None, None)
    assert actual.program == f"net-0123/fp32 {program.content[:12]} no subgraph"
    assert (actual.variables, actual.threads) == (BINDING, 1)
    assert actual.placement == (PLACEMENTS[0].describe(),)
    assert (actual.horovod, actual.mpi, actual.job, actual.injected) == (None, None, {}, 0.0)
    assert actual.measuring == measuring_code()


def test_the_same_files_are_the_same_program_in_any_cache(tmp_path: Path) -> None:
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
    actual = stack(training({"batch": 4, "optimizer": {"momentum": 0.9}}, {"HOROVOD_CYCLE_TIME": "10"}))
    assert actual.variables == {**BINDING, "HOROVOD_CYCLE_TIME": "10"}
    assert actual.job == {"batch": 4, "optimizer": {"momentum": 0.9}}
    assert (actual.mpi, actual.placement) == ("Intel MPI 2021.18.1", ("rank 0", "rank 1"))


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
    assert isinstance(arm.variant.program, TrainingJob)
    assert arm.variant.program.task == {"batch": 4, "seed": 2}
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
    assert isinstance(side_by_side.variant.program, TrainingJob)
    assert side_by_side.variant.program.task == {"batch": 2}
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
def test_there_is_no_baseline_arm_when_nothing_that_differs_can_be_restored(
    plan: Plan[Any], then: dict[str, Any]
) -> None:
    stored = changed(stack(plan), **then)
    assert baseline_arm(plan, stored, build_like=lambda *_: None) is None


def test_a_stored_program_is_located_by_its_label(program: Program, tmp_path: Path) -> None:
    for subgraph in (None, "MKLDNN_QUANTIZE"):
        old = stored_program(tmp_path / "networks" / "net-old", "int8", "[]", subgraph)
        assert program_in(program, old.label) == old


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
def test_any_other_change_changes_the_measuring_code(old: str, new: str) -> None:
    assert bare(CODE.replace(old, new)) != bare(CODE)


def test_a_string_that_is_not_a_docstring_is_code() -> None:
    assert bare("x = 'one'") != bare("x = 'two'")
    assert bare("f()\n'one'") != bare("f()\n'two'")


def test_the_measuring_code_is_that_of_workers_and_turns() -> None:
    assert re.fullmatch(r"[0-9a-f]{12}", measuring_code())
    measured_by = {
        "perf/measure/engine.py",
        "perf/measure/workers/replies.py",
        "perf/measure/workers/turns.py",
        "perf/measure/workers/worker_group.py",
    }
    assert {"perf/worker", "perf/dist/rank_group.py", "perf/dist/launch/running.py", *measured_by} == set(MEASURING)
    assert all((ROOT / name).exists() for name in MEASURING)


def test_the_requirement_alone_is_no_difference(plan: Plan[Any]) -> None:
    now = stack(plan)
    assert differing(now, changed(now, requirement="./the-same-files.whl")) == set()
