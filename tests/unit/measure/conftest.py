"""Plans of one variant, stand-ins for what they need, and a program whose files exist."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as changed

from perf.builds import Build, Mpi
from perf.dist.program import TrainingProgram
from perf.machine import Placement
from perf.measure.plan import Operator, Plan, Program, Variant, Workload, content_of
from perf.measure.stacks import BaselineArm, baseline_arm_of, stack_of
from perf.measure.workers.runner import ProfiledSteps, Runner
from perf.stack import Stack
from tests.support.factories import as_stack
from tests.support.fakes import PLACEMENTS, build

BINDING = {"KMP_AFFINITY": "compact"}
OLD_WHEEL = "b" * 64
INTEL = Mpi("intel", "2021.18.1", Path("/opt/mpi"), bundled=False)


class FakeStart:
    """Stands in for the start of training jobs, with one placement for each rank."""

    def placement_of(self, variant: Variant[Any]) -> tuple[str, ...]:
        assert isinstance(variant.program, TrainingProgram)
        return tuple(f"rank {number}" for number in range(variant.program.ranks))

    def prefixes_of(self, variant: Variant[Any]) -> list[tuple[str, ...]]:
        raise NotImplementedError(f"the prefixes of {variant.name} are not part of a stack")

    def __call__(
        self, variant: Variant[Any], placements: Sequence[Placement], scratch: Path, *, timeout_s: float
    ) -> Runner:
        raise NotImplementedError("a stack is described without starting its job")

    def profiled(
        self, variant: Variant[Any], scratch: Path, *, timeout_s: float, variables: Mapping[str, str] | None = None
    ) -> ProfiledSteps:
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
    return plan_of(Variant("r2", wheel, TrainingProgram("resnet18_v1/b4", 2, task, variables)), FakeStart())


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
