"""The format of a stored run: pytest-benchmark's JSON, with the suite's own part under `perf`.

Only what judging needs is described and checked here; everything else in the file is pytest-benchmark's business.
"""

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec

from perf.errors import PerfError
from perf.files import decoded, read_bytes
from perf.judge.speedup import Floors, Observed, observe
from perf.stack import Stack

SCHEMA = 2

# What a pass takes in seconds, and the log ratio of two that run the same: whatever is beyond was not measured.
SHORTEST_S, LONGEST_S = 1e-9, 1e6
MOST_LOG_RATIO = 30.0

Value = str | int | float | bool | None


class Sample(msgspec.Struct, frozen=True):
    """What was observed of one ratio, for each undisturbed invocation in the order of measurement: the fastest slots of
    the reference and of the case in seconds (`floors`), and the mean of the middle half of its blocks' log ratios
    (`typical`); and the stack that the speedup refers to.
    """

    floors: list[Floors]
    typical: list[float]
    over: Stack

    @property
    def observed(self) -> Observed | None:
        """The log speedup that is judged; None when nothing undisturbed was measured."""
        return observe(self.floors) if self.floors else None


class SideBySide(msgspec.Struct, frozen=True):
    """A case beside its twin: log(latency of the twin / latency) of each undisturbed invocation, and what the twin ran.
    `problem` says why it was not measured, if it was not.
    """

    values: list[float]
    stack: Stack
    problem: str | None = None


class Case(msgspec.Struct, frozen=True):
    """A case's `extra_info`, as far as it is judged: its stack, its samples by the variant that the speedup refers to,
    and what was measured side by side with the baseline's stack, if that is another one and can be had.
    """

    family: str
    subject: str
    workload: str
    variant: str
    reference: str
    stack: Stack
    latency_s: float
    invocations_disturbed: int
    published_speedup: float | None
    samples: dict[str, Sample]
    beside: SideBySide | None = None

    @property
    def name(self) -> str:
        """The case's name, such as "resnet50_v1-b8-mkl-int8"."""
        return f"{self.workload}-{self.variant}"


class Statistics(msgspec.Struct, frozen=True):
    """pytest-benchmark's figures over the counted passes, in seconds."""

    min: float
    median: float
    max: float


class Benchmark(msgspec.Struct, frozen=True):
    fullname: str
    extra_info: Case
    stats: Statistics


class Context(msgspec.Struct, frozen=True):
    """Everything that is not about one case. The machine's `settings` are reported when they differ. `left_out` says
    why selected cases are not in the file.
    """

    schema: int
    machine_class: str
    host_id: str | None
    settings: dict[str, Value]
    left_out: dict[str, str]
    injected: dict[str, float]
    complete: bool


class Run(msgspec.Struct, frozen=True):
    """A stored run. `datetime` is when it ended, in ISO 8601."""

    datetime: str
    perf: Context
    benchmarks: list[Benchmark]

    @property
    def cases(self) -> dict[str, Case]:
        """The cases by name."""
        return {benchmark.extra_info.name: benchmark.extra_info for benchmark in self.benchmarks}


class _Version(msgspec.Struct):
    schema: int


class _Head(msgspec.Struct):
    perf: _Version | None = None


def read_run(path: Path) -> Run:
    """The run in a file. PerfError, naming the file, when it is anything but a whole stored run of this schema whose
    figures are possible.
    """
    step = "name another file, or store the run again with --benchmark-save=NAME"
    content = read_bytes(path, next_step=step)
    if not content.strip():
        raise PerfError("is empty", subject=str(path), next_step=step)
    head = decoded(content, _Head, path, next_step=step)
    if head.perf is None:
        message = "was not stored by this suite: it has no part `perf`"
        raise PerfError(message, subject=str(path), next_step=step)
    if head.perf.schema != SCHEMA:
        message = f"has schema {head.perf.schema}, and this version of the suite reads schema {SCHEMA}"
        raise PerfError(message, subject=str(path), next_step=step)
    run = decoded(content, Run, path, next_step=step)
    for problem in _impossible(run):
        raise PerfError(problem, subject=str(path), next_step=step)
    return run


def _impossible(run: Run) -> Iterator[str]:
    names = Counter(benchmark.extra_info.name for benchmark in run.benchmarks)
    yield from (f"holds the case {name} {count} times" for name, count in names.items() if count > 1)
    for benchmark in run.benchmarks:
        case, stats = benchmark.extra_info, benchmark.stats
        times = (stats.min, stats.median, stats.max, case.latency_s)
        if any(not math.isfinite(time) or time <= 0 for time in times):
            yield f"holds impossible times for {case.name}: {', '.join(f'{time:g} s' for time in times)}"
        for reference, sample in case.samples.items():
            if not all(SHORTEST_S < floor < LONGEST_S for floors in sample.floors for floor in floors):
                yield f"holds an impossible speedup of {case.name} over {reference}"
        if case.beside and not all(abs(value) < MOST_LOG_RATIO for value in case.beside.values):
            yield f"holds an impossible ratio of {case.name} and its twin"
    if run.perf.machine_class in {"", ".", ".."}:
        yield "names no machine class"
