"""The format of a stored run: pytest-benchmark's JSON, with the suite's own part under `perf`.

Only what judging needs is described and checked here; everything else in the file is pytest-benchmark's business.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from perf.columns import FAMILIES, Column
from perf.errors import PerfError
from perf.files import decoded, read_bytes
from perf.judge.speedup import Floors, ObservedRatio, observe
from perf.stack import Stack

SCHEMA = 2
# A ratio from fewer undisturbed invocations is marked in tables, and replaces no better founded one.
FEW = 3
# A machine class is the name of a folder.
CLASS = re.compile(r"[A-Za-z0-9][\w.+-]{0,200}", re.ASCII)
STEP = "name another file, or store the run again with --benchmark-save=NAME"

# What a pass takes in seconds, and the log ratio of two that run the same: whatever is beyond was not measured.
SHORTEST_S, LONGEST_S = 1e-9, 1e6
MOST_LOG_RATIO = 30.0

Value = str | int | float | bool | None


class RatioSample(msgspec.Struct, frozen=True):
    """What was observed of one ratio, for each undisturbed invocation in the order of measurement."""

    floors: Annotated[list[Floors], Meta(description="fastest slots of the reference and of the case, in seconds")]
    typical: Annotated[list[float], Meta(description="mean of the middle half of the blocks' log ratios")]
    over: Annotated[Stack, Meta(description="stack that the ratio refers to")]

    @property
    def observed(self) -> ObservedRatio | None:
        """The log speedup that is judged; None when nothing undisturbed was measured."""
        return observe(self.floors) if self.floors else None


class SideBySide(msgspec.Struct, frozen=True):
    """A case beside its twin, which runs the baseline's stack as far as it can be had."""

    values: Annotated[
        list[float], Meta(description="log(latency of the twin / latency) of each undisturbed invocation")
    ]
    stack: Annotated[Stack, Meta(description="stack of the twin")]
    problem: Annotated[str | None, Meta(description="why it was not measured, if it was not")] = None


class StoredCase(msgspec.Struct, frozen=True, rename={"side_by_side": "beside"}):
    """The part of a case's record (perf.runs.record) that is judged, and read from stored runs."""

    family: Annotated[str, Meta(description="cnn, rnn or dist")]
    subject: Annotated[str, Meta(description="what is measured together: a network, or a training job")]
    workload: Annotated[str, Meta(description="the subject at one size")]
    variant: Annotated[str, Meta(description="build and precision, or number of ranks")]
    reference: Annotated[str, Meta(description="variant that its ratio refers to")]
    stack: Annotated[Stack, Meta(description="what it ran")]
    latency_s: Annotated[
        float,
        Meta(description="median latency of its slots, in seconds"),
        Column(heading="{variant} ms", place=3, reference=FAMILIES, others=("rnn", "dist"), scale=1e3),
    ]
    invocations_disturbed: Annotated[int, Meta(description="invocations without enough undisturbed blocks")]
    samples: Annotated[dict[str, RatioSample], Meta(description="its ratios by the variant that they refer to")]
    side_by_side: Annotated[
        SideBySide | None, Meta(description="side by side with the baseline's stack; null where that is the same")
    ] = None
    published: Annotated[
        float | None,
        Meta(description="the announcement's speedup, or efficiency, for it"),
        Column(heading="published", place=2, others=("cnn", "rnn")),
        Column(heading="published", place=2, others=("dist",), percent=True),
    ] = None

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
    extra_info: StoredCase
    stats: Statistics


class AcceptedLosses(msgspec.Struct, frozen=True):
    """What a stored run gave up or left open against the one before it (`baseline`), and the reason that somebody gave:
    cases with their verdicts, and cases that it no longer holds.
    """

    baseline: str
    reason: str
    verdicts: dict[str, str]
    dropped: tuple[str, ...]


class RunContext(msgspec.Struct, frozen=True):
    """Everything that is not about one case. The machine's `settings` are reported when they differ. `left_out` says
    why selected cases are not in the file. `accepted` is there where a stored run is worse than the one before it.
    """

    schema: int
    machine_class: str
    host_id: str | None
    settings: dict[str, Value]
    left_out: dict[str, str]
    injected: dict[str, float]
    complete: bool
    accepted: AcceptedLosses | None = None


class StoredRun(msgspec.Struct, frozen=True):
    """A stored run. `datetime` is when it ended, in ISO 8601."""

    datetime: str
    perf: RunContext
    benchmarks: list[Benchmark]

    @property
    def cases(self) -> dict[str, StoredCase]:
        """The cases by name."""
        return {benchmark.extra_info.name: benchmark.extra_info for benchmark in self.benchmarks}


class _Version(msgspec.Struct):
    schema: int
    machine_class: str = ""


class _Head(msgspec.Struct):
    perf: _Version | None = None


def read_run(path: Path) -> StoredRun:
    """The run in a file. PerfError, naming the file, when it is anything but a whole stored run of this schema whose
    figures are possible.
    """
    content = _content(path)
    _head(path, content)
    run = decoded(content, StoredRun, path, next_step=STEP)
    for problem in _impossible(run):
        raise PerfError(problem, subject=str(path), next_step=STEP)
    return run


def read_machine_class(path: Path) -> str:
    """The machine class of the run in a file, of which no more is checked. PerfError when it is no stored run."""
    return _head(path, _content(path)).machine_class


def _content(path: Path) -> bytes:
    content = read_bytes(path, next_step=STEP)
    if not content.strip():
        raise PerfError("is empty", subject=str(path), next_step=STEP)
    return content


def _head(path: Path, content: bytes) -> _Version:
    """What says which schema a run has. PerfError for another schema, and for what is no stored run."""
    head = decoded(content, _Head, path, next_step=STEP)
    if head.perf is None:
        message = "was not stored by this suite: it has no part `perf`"
        raise PerfError(message, subject=str(path), next_step=STEP)
    if head.perf.schema != SCHEMA:
        message = f"has schema {head.perf.schema}, and this version of the suite reads schema {SCHEMA}"
        raise PerfError(message, subject=str(path), next_step=STEP)
    return head.perf


def _impossible(run: StoredRun) -> Iterator[str]:
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
        if case.side_by_side and not all(abs(value) < MOST_LOG_RATIO for value in case.side_by_side.values):
            yield f"holds an impossible ratio of {case.name} and its twin"
    if not CLASS.fullmatch(run.perf.machine_class):
        yield f"names no machine class: {run.perf.machine_class!r}"
