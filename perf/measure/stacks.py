"""What a variant runs, as a stack (perf.stack), and a stored stack made to run again beside it."""

import ast
import hashlib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from perf.builds import BLAS_KERNELS, Build, kept_shell_variables, may_be_replayed
from perf.machine import Placement
from perf.measure.plan import Plan, Program, Training, Variant, content_of
from perf.stack import Stack, differing

# A variant's name and this: the same variant with the baseline's stack.
OF_BASELINE = "@baseline"
# A program's label: its folder, its name, the start of its content, and its subgraph backend.
LABEL = re.compile(r"([\w+-][\w.+-]{0,200})/([\w+-][\w.+-]{0,50}) ([0-9a-f]{12}) (\S.*)")
# The code that decides how passes are run and timed.
MEASURING = (
    "perf/worker",
    "perf/measure/crew.py",
    "perf/measure/engine.py",
    "perf/measure/turns.py",
    "perf/dist/crew.py",
    "perf/dist/launch.py",
)
ROOT = Path(__file__).resolve().parents[2]
# The rooms whose code and data decide what is measured and which answers are right, and the stored answers.
DECIDING = (
    "baselines/answers",
    *(f"perf/{room}" for room in ("builds", "cnn", "dist", "judge", "machine", "measure", "rnn", "worker")),
)


@dataclass(frozen=True)
class Twin:
    """A variant with as much of a stored stack as can be had, and what it then runs."""

    variant: Variant
    stack: Stack


def stack_of(plan: Plan, variant: Variant, placements: tuple[Placement, ...]) -> Stack:
    """What a variant of a plan runs, when its instances are placed like this."""
    build, program = variant.build, variant.program
    where = plan.start.placement_of(variant) if plan.start else tuple(p.describe() for p in placements)
    job = program if isinstance(program, Training) else None
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
        variables={**build.variables, **(job.variables if job else {})},
        environment=kept_shell_variables(os.environ, distributed=job is not None),
        threads=0 if job else placements[0].threads,
        placement=where,
        job=_settings(job.task) if job else {},
        measuring=measuring_code(),
        injected=variant.extra_work,
    )


def stacks_of(plan: Plan, placements: tuple[Placement, ...]) -> dict[str, Stack]:
    """What each variant of a plan runs, by name."""
    return {variant.name: stack_of(plan, variant, placements) for variant in plan.variants}


def twin_of(
    plan: Plan,
    variant: Variant,
    then: Stack,
    placements: tuple[Placement, ...],
    build_like: Callable[[Build, Stack], Build | None],
    program_like: Callable[[Program, str], Program | None],
) -> Twin | None:
    """A variant's twin with the stack of the baseline, as far as it can be had; None when what can be put back makes no
    difference. `build_like` finds a build with a stored wheel, `program_like` a stored program by its label. What a
    stored stack says comes from a file: of its variables, only those are set that tune, and load nothing.
    """
    others = differing(then, stack_of(plan, variant, placements))
    build, program = variant.build, variant.program
    if others & {"wheel", "python", "numpy", "openmp"}:
        build = build_like(build, then) or build
    if isinstance(program, Program) and "program" in others:
        program = program_like(program, then.program) or program
    own = {name: value for name, value in then.variables.items() if may_be_replayed(name, value)}
    if isinstance(program, Training):
        own = {name: value for name, value in own.items() if name not in program.variables}
        jobs = {k: v for k, v in then.variables.items() if k in program.variables and "/" not in v}
        task = {name: then.job.get(name, value) for name, value in program.task.items()}
        program = replace(program, variables=jobs, task=task)
    twin = replace(
        variant,
        name=variant.name + OF_BASELINE,
        build=_with_variables(build, own, then),
        program=program,
        over=(),
        twin_of=variant.name,
        extra_work=then.injected,
    )
    stack = stack_of(plan, twin, placements)
    if not differing(stack, stack_of(plan, variant, placements)):
        return None
    return Twin(twin, stack)


def program_like(program: Program, label: str) -> Program | None:
    """The stored program with this label, from the folder of artifacts that `program` comes from; None when it is no
    longer there, or its content is another one.
    """
    parts = LABEL.fullmatch(label)
    if parts is None:
        return None
    folder, stem, content, subgraph = parts.groups()
    symbol = program.symbol.parents[1] / folder / f"{stem}.json"
    params = symbol.with_name(f"{stem}.params")
    if not (symbol.is_file() and params.is_file()):
        return None
    backend = None if subgraph == "no subgraph" else subgraph
    found = Program(symbol, params, backend, content_of(symbol, params))
    return found if found.content.startswith(content) else None


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


def _settings(task: Mapping[str, Any]) -> dict[str, Any]:
    settings: dict[str, Any] = msgspec.to_builtins(task)
    return settings
