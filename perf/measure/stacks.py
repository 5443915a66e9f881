"""The stack (perf.stack) of a variant, and its baseline arm: the same variant with a stored stack."""

import ast
import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from perf.builds import BLAS_KERNELS, Build, may_be_replayed, recorded_shell_variables
from perf.files import ROOT
from perf.machine import Placement
from perf.measure.plan import Plan, Variant
from perf.stack import Stack, differing

# The suffix of a baseline arm's name.
OF_BASELINE = "@baseline"
# The code that determines how passes are run and timed.
MEASURING = (
    "perf/worker",
    "perf/measure/workers/replies.py",
    "perf/measure/workers/worker_group.py",
    "perf/measure/engine.py",
    "perf/measure/workers/turns.py",
    "perf/dist/rank_group.py",
    "perf/dist/launch/running.py",
)
# The rooms whose code and data determine what is measured and which answers are right, and the stored answers.
DECIDING = (
    "baselines/answers",
    *(f"perf/{room}" for room in ("builds", "cnn", "dist", "judge", "machine", "measure", "profile", "rnn", "worker")),
)


@dataclass(frozen=True)
class BaselineArm:
    """A variant with as much of the baseline's stack as can be restored.

    variant: the variant that runs it.
    stack: what it then runs.
    """

    variant: Variant[Any]
    stack: Stack


def stack_of(plan: Plan[Any], variant: Variant[Any], placements: tuple[Placement, ...]) -> Stack:
    """Return the stack of a variant of a plan whose instances have these placements."""
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
        mpi=build.mpi.label if build.mpi else None,
        program=program.label,
        variables={**build.variables, **program.variables},
        environment=recorded_shell_variables(os.environ, distributed=program.distributed),
        threads=0 if program.distributed else placements[0].threads,
        placement=where,
        job=dict(program.settings),
        measuring=measuring_code(),
        injected=variant.extra_work,
        libraries=dict(build.libraries),
    )


def stacks_of(plan: Plan[Any], placements: tuple[Placement, ...]) -> dict[str, Stack]:
    """Return the stack of each variant of a plan, by name."""
    return {variant.name: stack_of(plan, variant, placements) for variant in plan.variants}


def baseline_arm_of(
    plan: Plan[Any],
    variant: Variant[Any],
    then: Stack,
    placements: tuple[Placement, ...],
    build_like: Callable[[Build, Stack], Build | None],
) -> BaselineArm | None:
    """Return a variant's baseline arm; None when what can be restored of the stack `then` makes no difference.

    `build_like` returns a build with a stored wheel, if there is one. A stored stack comes from a file: of its
    variables, only those are set that tune a program and load nothing.
    """
    changed = differing(then, stack_of(plan, variant, placements))
    build, program = variant.build, variant.program
    if changed & {"wheel", "python", "numpy", "openmp"}:
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
    """Return the build with these variables, and with the stored BLAS kernels where the variables determine them."""
    chosen = then.blas_kernels if variables.get(BLAS_KERNELS) != build.variables.get(BLAS_KERNELS) else None
    return replace(build, variables=variables, blas_kernels=chosen or build.blas_kernels)


@cache
def measuring_code() -> str:
    """Return a hash of the code that measures, without comments and docstrings: 12 hex digits."""
    digest = hashlib.sha256()
    for name in MEASURING:
        path = ROOT / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(ast.dump(_bare(ast.parse(file.read_text()))).encode())
    return digest.hexdigest()[:12]


@cache
def deciding_code() -> str:
    """Return a hash of all code and data that determine what is measured and which answers are right: 12 hex digits."""
    digest = hashlib.sha256()
    for folder in DECIDING:
        for file in sorted(path for ending in ("py", "toml", "json") for path in (ROOT / folder).rglob(f"*.{ending}")):
            digest.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:12]


def _bare(tree: ast.Module) -> ast.Module:
    """Return the tree without its docstrings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return tree
