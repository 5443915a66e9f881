"""The format of a stored run: pytest-benchmark's JSON, with the suite's own part under `perf`.

Only the parts that verdicts need are described and checked here. The rest of the file belongs to pytest-benchmark.
"""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from perf.columns import FAMILIES, Column
from perf.errors import PerfError
from perf.files import decoded, read_bytes
from perf.judge.speedup import Floors, ObservedRatio, observe
from perf.runs.refreshing.records import AnchorDrift, SourceSession
from perf.runs.tolerances import ToleranceEntry
from perf.stack import Stack

# The version of the format. A change that old code cannot read gets the next number.
SCHEMA = 2
# A ratio from fewer undisturbed invocations is marked in tables, and does not replace a stored one with more.
FEW = 3
# A machine class is also the name of a folder.
CLASS = re.compile(r"[A-Za-z0-9][\w.+-]{0,200}", re.ASCII)
# What to do about a file that is not a valid stored run.
STEP = "name another file, or store the run again with --benchmark-save=NAME"
# No measured pass is shorter or longer, in seconds.
SHORTEST_S, LONGEST_S = 1e-9, 1e6
# No measured ratio of two latencies is larger (log); exp(30) is 10^13.
MOST_LOG_RATIO = 30.0

Value = str | int | float | bool | None


class RatioSample(msgspec.Struct, frozen=True):
    """The measurements of one ratio: a value for each undisturbed invocation, in the order of measurement."""

    floors: Annotated[list[Floors], Meta(description="latencies of the fastest slots, in seconds: [reference, case]")]
    typical: Annotated[
        list[float], Meta(description="interquartile mean of the blocks' log(reference latency / latency)")
    ]
    over: Annotated[Stack, Meta(description="stack of the reference")]
    sessions: Annotated[
        tuple[float, ...],
        Meta(
            description="log speedup of each session that a refreshed baseline was built from, oldest first; empty if "
            "the run is one session"
        ),
    ] = ()

    @property
    def observed(self) -> ObservedRatio | None:
        """The log speedup that is judged; None without an undisturbed measurement."""
        return observe(self.floors) if self.floors else None


class SideBySide(msgspec.Struct, frozen=True):
    """A case measured side by side with its baseline arm, which runs the baseline's stack as far as it is available."""

    values: Annotated[
        list[float], Meta(description="log(latency of the baseline arm / latency) of each undisturbed invocation")
    ]
    stack: Annotated[Stack, Meta(description="stack of the baseline arm")]
    problem: Annotated[str | None, Meta(description="why it was not measured; null if it was")] = None


class StoredCase(msgspec.Struct, frozen=True, rename={"side_by_side": "beside"}):
    """The part of a case's record (perf.runs.record) that verdicts need; it is read from stored runs."""

    family: Annotated[str, Meta(description="family: cnn, rnn or dist")]
    subject: Annotated[str, Meta(description="network, cell or training job whose workloads are measured together")]
    workload: Annotated[str, Meta(description="the subject at one size, such as resnet50_v1-b8")]
    variant: Annotated[str, Meta(description="build and precision, such as mkl-int8, or number of ranks, such as r2")]
    reference: Annotated[str, Meta(description="variant that its speedup or efficiency is relative to")]
    stack: Annotated[Stack, Meta(description="everything that decides what it ran")]
    latency_s: Annotated[
        float,
        Meta(description="median latency of its slots, in seconds"),
        Column(heading="{variant} ms", place=3, reference=FAMILIES, variants=("rnn", "dist"), scale=1e3),
    ]
    invocations_disturbed: Annotated[
        int, Meta(description="invocations without enough undisturbed blocks, which do not count")
    ]
    samples: Annotated[dict[str, RatioSample], Meta(description="measurements of its ratios, by reference variant")]
    side_by_side: Annotated[
        SideBySide | None,
        Meta(description="measurement side by side with the baseline's stack; null if the stacks are the same"),
    ] = None
    published: Annotated[
        float | None,
        Meta(description="the announcement's speedup or scaling efficiency for this case"),
        Column(heading="published", place=2, variants=("cnn", "rnn")),
        Column(heading="published", place=2, variants=("dist",), percent=True),
    ] = None
    build: Annotated[str, Meta(description="role of its build: native, mkl, native-dist or mkl-dist")] = ""
    wheel_locked: Annotated[bool, Meta(description="whether uv.lock pins the build's wheel")] = True

    @property
    def name(self) -> str:
        """The case's name, such as "resnet50_v1-b8-mkl-int8"."""
        return f"{self.workload}-{self.variant}"


class Statistics(msgspec.Struct, frozen=True):
    """pytest-benchmark's statistics of the counted passes, in seconds."""

    min: Annotated[float, Meta(description="shortest pass, in seconds")]
    median: Annotated[float, Meta(description="median pass, in seconds")]
    max: Annotated[float, Meta(description="longest pass, in seconds")]


class Benchmark(msgspec.Struct, frozen=True):
    """A case as pytest-benchmark stores it: `fullname` is the pytest id, `extra_info` the case, `stats` its times."""

    fullname: str
    extra_info: StoredCase
    stats: Statistics


class AcceptedLosses(msgspec.Struct, frozen=True):
    """What a user accepted when a run was stored."""

    baseline: Annotated[str, Meta(description="file of the run that was stored before it")]
    reason: Annotated[str, Meta(description="the user's reason")]
    verdicts: Annotated[
        dict[str, str],
        Meta(description="verdicts on the cases that were worse than, or undecided against, that run, by case"),
    ]
    dropped: Annotated[tuple[str, ...], Meta(description="cases that the run no longer contains")]


class Shard(msgspec.Struct, frozen=True):
    """The part of a night that a run measured."""

    number: Annotated[int, Meta(description="number of the part, from 1")]
    of: Annotated[int, Meta(description="number of parts")]
    items: Annotated[dict[str, int], Meta(description="shard of every measured item of the night, by its pytest id")]
    balanced_by: Annotated[str, Meta(description="what the parts' times were estimated from")]
    night: Annotated[str | None, Meta(description="name of the night (--perf-session); null if it has none")] = None

    @property
    def text(self) -> str:
        """How messages call it."""
        return f"shard {self.number} of {self.of}"


class RunContext(msgspec.Struct, frozen=True):
    """Everything in a run that is not about one case."""

    schema: Annotated[int, Meta(description="version of the format")]
    machine_class: Annotated[str, Meta(description="machine class: the name under which runs are comparable")]
    host_id: Annotated[str | None, Meta(description="identifies the machine; null if it has no machine ID")]
    settings: Annotated[
        dict[str, Value], Meta(description="the machine's settings, reported if they differ; null if unknown")
    ]
    left_out: Annotated[
        dict[str, str], Meta(description="reason for each selected item that is not in the file, by pytest id")
    ]
    injected: Annotated[
        dict[str, float], Meta(description="slowdowns injected on purpose, as fractions of a pass, by variant")
    ]
    complete: Annotated[bool, Meta(description="whether every selected item was run")]
    accepted: Annotated[
        AcceptedLosses | None,
        Meta(description="what a user accepted when it was stored; null if it is no worse than the run before it"),
    ] = None
    tolerances: Annotated[
        dict[str, ToleranceEntry], Meta(description="tolerances that items were marked with, by case")
    ] = {}
    sources: Annotated[
        tuple[SourceSession, ...], Meta(description="sessions that a refreshed baseline was built from")
    ] = ()
    drift: Annotated[
        AnchorDrift | None, Meta(description="how far it had moved from the anchor when it was stored")
    ] = None
    shard: Annotated[Shard | None, Meta(description="part of a night that was run; null for a whole run")] = None
    arguments: Annotated[
        tuple[str, ...], Meta(description="options of the command that measured it, as far as they reproduce a case")
    ] = ()
    tier: Annotated[str, Meta(description="tier of the run; empty in files that do not say it")] = ""
    deselected: Annotated[tuple[str, ...], Meta(description="cases of the baseline that were not asked for (-k)")] = ()

    @property
    def origin(self) -> list[str]:
        """The sessions that it was built from and its drift since the anchor, as sentences; none for most runs."""
        sources = ", ".join(source.text for source in self.sources)
        return [f"built from {sources}."] * bool(sources) + ([self.drift.text] if self.drift else [])

    @property
    def elsewhere(self) -> tuple[str, ...]:
        """The names of the cases that other shards of the same night measure."""
        items = self.shard.items.items() if self.shard else ()
        return tuple(case_of_item(item) for item, number in items if self.shard and number != self.shard.number)


class StoredRun(msgspec.Struct, frozen=True):
    """A stored run: `datetime` is when it ended (ISO 8601), `perf` is its context, and `benchmarks` are its cases."""

    datetime: str
    perf: RunContext
    benchmarks: list[Benchmark]

    @property
    def cases(self) -> dict[str, StoredCase]:
        """The cases by name."""
        return {benchmark.extra_info.name: benchmark.extra_info for benchmark in self.benchmarks}


def ended_at(text: str) -> datetime:
    """Return when a run ended (ISO 8601), in UTC, which is also meant where the text names no time zone.

    Raises ValueError or OverflowError for an impossible time; a run that `read_run` returns has none.
    """
    time = datetime.fromisoformat(text)
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def case_of_item(item: str) -> str:
    """Return the case in a pytest id, such as "perf/cnn/test_inference.py::test_inference[resnet50_v1-b1-mkl-fp32]"."""
    return item.rpartition("[")[2].removesuffix("]")


class _Version(msgspec.Struct):
    """What is read of a run first: its schema, since another one may differ in everything else."""

    schema: int
    machine_class: str = ""


class _Head(msgspec.Struct):
    perf: _Version | None = None


def read_run(path: Path) -> StoredRun:
    """Return the run in a file. Raises PerfError, naming it, unless it is whole, of this schema, and possible."""
    content = _content(path)
    _head(path, content)
    run = decoded(content, StoredRun, path, next_step=STEP)
    for problem in _impossible(run):
        raise PerfError(problem, subject=str(path), next_step=STEP)
    return run


def read_machine_class(path: Path) -> str:
    """Return the machine class of the run in a file, and check no more. Raises PerfError if it is not a stored run."""
    return _head(path, _content(path)).machine_class


def _content(path: Path) -> bytes:
    content = read_bytes(path, next_step=STEP)
    if not content.strip():
        raise PerfError("is empty", subject=str(path), next_step=STEP)
    return content


def _head(path: Path, content: bytes) -> _Version:
    """Return the schema and the class of a run. Raises PerfError for another schema, or if it is not a stored run."""
    head = decoded(content, _Head, path, next_step=STEP)
    if head.perf is None:
        raise PerfError("was not stored by this suite: it has no `perf` section", subject=str(path), next_step=STEP)
    if head.perf.schema != SCHEMA:
        message = f"has schema {head.perf.schema}, but this version of the suite reads schema {SCHEMA}"
        raise PerfError(message, subject=str(path), next_step=STEP)
    return head.perf


def _impossible(run: StoredRun) -> Iterator[str]:
    """Yield what cannot have been measured."""
    names = Counter(benchmark.extra_info.name for benchmark in run.benchmarks)
    yield from (f"contains the case {name} {count} times" for name, count in names.items() if count > 1)
    for benchmark in run.benchmarks:
        yield from _impossible_figures(benchmark)
    for name, entry in run.perf.tolerances.items():
        if not entry.possible:
            yield f"contains an impossible tolerance of {name}: {entry.text}"
    try:
        ended_at(run.datetime)
    except (ValueError, OverflowError):
        yield f"does not say when it ended: {run.datetime[:60]!r}"
    if not CLASS.fullmatch(run.perf.machine_class):
        yield f"has an invalid machine class: {run.perf.machine_class!r}"


def _impossible_figures(benchmark: Benchmark) -> Iterator[str]:
    case, stats = benchmark.extra_info, benchmark.stats
    times = (stats.min, stats.median, stats.max, case.latency_s)
    if not all(SHORTEST_S <= time < LONGEST_S for time in times) or not stats.min <= stats.median <= stats.max:
        yield f"contains impossible times of {case.name}: {', '.join(f'{time:g} s' for time in times)}"
    for reference, sample in case.samples.items():
        if not all(SHORTEST_S < floor < LONGEST_S for floors in sample.floors for floor in floors):
            yield f"contains an impossible speedup of {case.name} over {reference}"
        if not all(abs(value) < MOST_LOG_RATIO for value in (*sample.typical, *sample.sessions)):
            yield f"contains an impossible ratio of {case.name} to {reference}"
    if case.side_by_side and not all(abs(value) < MOST_LOG_RATIO for value in case.side_by_side.values):
        yield f"contains an impossible ratio of {case.name} and its baseline arm"
