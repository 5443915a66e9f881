"""Which kernels ran in each release: one untimed pass of every cell, traced, and kept in the ladder's folder."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from perf.errors import PerfError, WorkerError
from perf.files import read_json, write_whole
from perf.ladder.cells import Cell
from perf.measure.engine import Show
from perf.measure.family import Resources
from perf.measure.workers.inspection import inspect
from perf.profile.primitives import read_primitives
from perf.stack import Stack, identity

FOLDER = "traces"
# Seconds for a worker to start, load and run one pass, for most cells.
TRACE_S = 1.5
NEXT_STEP = "free some space there, or name another folder with --folder"


class Trace(msgspec.Struct, frozen=True):
    """What one traced pass showed: the `stack` that ran, as a hash, and how often each of its `kernels` ran."""

    stack: str
    kernels: dict[str, Annotated[int, Meta(ge=1)]]


Traces = Mapping[tuple[str, str], Trace]


def kernels_in(log: str) -> dict[str, int]:
    """Return how often each kernel ran, from a worker's log, by primitive and name: "convolution jit:avx512_core"."""
    return dict(sorted(Counter(f"{ran.kind} {ran.kernel}" for ran in read_primitives(log)).items()))


def traced(
    cells: Sequence[Cell], resources: Resources, folder: Path, later_s: float, show: Show
) -> tuple[list[Cell], Traces]:
    """Run one traced pass of every cell that will be measured, unless the folder holds the trace of its stack.

    Returns the cells, with the problem of those whose release cannot run the workload, and the traces by release and
    workload.

    later_s: the seconds that everything takes after it.
    show: shows what is being done, and how many seconds it still takes.

    Raises PerfError when the folder cannot be written to.
    """
    traces: dict[tuple[str, str], Trace] = {}
    results: list[Cell] = []
    for number, cell in enumerate(cells):
        if cell.plan is None:
            results.append(cell)
            continue
        key = cell.rung.release, cell.workload.name
        path = folder / FOLDER / f"{'-'.join(key).replace('/', '_')}.json"
        stack = stack_hash(cell.stack(resources.placements))
        trace = _stored(path, stack)
        if trace is None:
            show(f"{' '.join(key)}: tracing its kernels", later_s + TRACE_S * (len(cells) - number))
            try:
                observation = inspect(cell.variant, cell.plan.workloads, resources)
            except WorkerError as error:
                results.append(replace(cell, plan=None, problem=f"it fails: {error.what}"))
                continue
            trace = Trace(stack, kernels_in(observation.log))
            store(path, trace)
        traces[key] = trace
        results.append(cell)
    return results, traces


def stack_hash(stack: Stack) -> str:
    """Return a hash of what a stack runs."""
    return sha256(msgspec.json.encode(identity(stack), order="sorted")).hexdigest()


def _stored(path: Path, stack: str) -> Trace | None:
    """The trace in a file; None unless it is whole and of this stack."""
    try:
        trace = read_json(path, Trace)
    except PerfError:
        return None
    return trace if trace.stack == stack else None


def store(path: Path, trace: Trace) -> None:
    """Write a trace, whole. Raises PerfError when that fails."""
    try:
        path.parent.mkdir(exist_ok=True)
        write_whole(path, msgspec.json.encode(trace))
    except OSError as error:
        raise PerfError(f"cannot be written to: {error.strerror}", subject=str(path), next_step=NEXT_STEP) from error
