"""What a variant runs, as a stack (perf.stack), and a stored stack made to run again beside it."""

import ast
import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from perf.builds import BLAS_KERNELS, Build, kept_shell_variables, may_be_replayed
from perf.files import ROOT
from perf.machine import Placement
from perf.measure.plan import Plan, Variant
from perf.stack import Stack, differing

# A variant's name and this: the same variant with the baseline's stack.
OF_BASELINE = "@baseline"
# The code that decides how passes are run and timed.
MEASURING = (
    "perf/worker",
    "perf/measure/workers/worker_group.py",
    "perf/measure/engine.py",
    "perf/measure/workers/turns.py",
    "perf/dist/rank_group.py",
    "perf/dist/launch/running.py",
)
# The rooms whose code and data decide what is measured and which answers are right, and the stored answers.
DECIDING = (
    "baselines/answers",
    *(f"perf/{room}" for room in ("builds", "cnn", "dist", "judge", "machine", "measure", "rnn", "worker")),
)


@dataclass(frozen=True)
class BaselineArm:
    """A variant with as much of a stored stack as can be had, and what it then runs."""

    variant: Variant[Any]
    stack: Stack


def stack_of(plan: Plan[Any], variant: Variant[Any], placements: tuple[Placement, ...]) -> Stack:
    """What a variant of a plan runs, when its instances are placed like this."""
    build, program = variant.build, variant.program
    where = plan.start.placement_of(variant) if plan.start else tuple(p.describe() for p in placements)
    return Stack(
        requirement=build.requirement,
        wheel=build.content_sha256,
        python=build.facts.python,
        numpy=build.facts.numpy,
        openmp=build.facts.openmp,
        blas_kernels=build.blas_kernels,
        horovod=build.compiled,
        mpi=build.mpi.words if build.mpi else None,
        program=program.label,
        variables={**build.variables, **program.variables},
        environment=kept_shell_variables(os.environ, distributed=program.distributed),
        threads=0 if program.distributed else placements[0].threads,
        placement=where,
        job=dict(program.settings),
        measuring=measuring_code(),
        injected=variant.extra_work,
    )


def stacks_of(plan: Plan[Any], placements: tuple[Placement, ...]) -> dict[str, Stack]:
    """What each variant of a plan runs, by name."""
    return {variant.name: stack_of(plan, variant, placements) for variant in plan.variants}


def baseline_arm_of(
    plan: Plan[Any],
    variant: Variant[Any],
    then: Stack,
    placements: tuple[Placement, ...],
    build_like: Callable[[Build, Stack], Build | None],
) -> BaselineArm | None:
    """A variant's twin with the stack of the baseline, as far as it can be had; None when what can be put back makes no
    difference. `build_like` finds a build with a stored wheel. What a stored stack says comes from a file: of its
    variables, only those are set that tune, and load nothing.
    """
    others = differing(then, stack_of(plan, variant, placements))
    build, program = variant.build, variant.program
    if others & {"wheel", "python", "numpy", "openmp"}:
        build = build_like(build, then) or build
    own = {
        name: value
        for name, value in then.variables.items()
        if may_be_replayed(name, value) and name not in program.variables
    }
    baseline_arm = replace(
        variant,
        name=variant.name + OF_BASELINE,
        build=_with_variables(build, own, then),
        program=program.as_in(then),
        over=(),
        baseline_arm_of=variant.name,
        extra_work=then.injected,
    )
    stack = stack_of(plan, baseline_arm, placements)
    if not differing(stack, stack_of(plan, variant, placements)):
        return None
    return BaselineArm(baseline_arm, stack)


def _with_variables(build: Build, variables: Mapping[str, str], then: Stack) -> Build:
    """The build with a stored stack's variables; which BLAS kernels it then runs is known where they decide it."""
    chosen = then.blas_kernels if variables.get(BLAS_KERNELS) != build.variables.get(BLAS_KERNELS) else None
    return replace(build, variables=variables, blas_kernels=chosen or build.blas_kernels)


@cache
def measuring_code() -> str:
    """The content of the code that measures, comments and docstrings aside: 12 hex digits."""
    digest = hashlib.sha256()
    for name in MEASURING:
        path = ROOT / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(ast.dump(_bare(ast.parse(file.read_text()))).encode())
    return digest.hexdigest()[:12]


@cache
def deciding_code() -> str:
    """The content of all code and data that decide what is measured and which answers are right: 12 hex digits."""
    digest = hashlib.sha256()
    for folder in DECIDING:
        for file in sorted(path for ending in ("py", "toml", "json") for path in (ROOT / folder).rglob(f"*.{ending}")):
            digest.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:12]


def _bare(tree: ast.Module) -> ast.Module:
    """The tree without its docstrings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return tree
