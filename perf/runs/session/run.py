"""A stored run with all that its session wrote: complete records of its cases, and the run's own part.

`MeasuredContext` is the one structure of that part: exports, pages and merged nights read it.
"""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from perf.errors import PerfError
from perf.files import UNREADABLE, read_bytes
from perf.limits.result import MachineLimits
from perf.runs.record import CaseRecord
from perf.runs.schema import STEP, RunContext, Statistics, Value, read_run
from perf.wording import uv

# Mean accuracy in training and held out, as fractions, by epoch.
Accuracy = list[tuple[float, float]]


class StateFinding(msgspec.Struct, frozen=True):
    """What is doubtful, or unknown, about the machine's state around a run."""

    check: Annotated[str, Meta(description="name of the check, as in `mxperf doctor`")]
    reading: Annotated[str | None, Meta(description="its reading with units; null if unknown")]
    verdict: Annotated[str, Meta(description="doubtful or unknown")]
    explanation: Annotated[str, Meta(description="how it affects a measurement, or why it is unknown")]
    advice: Annotated[str | None, Meta(description="what to do when it is doubtful")]


class StateReport(msgspec.Struct, frozen=True):
    """The machine's state around a run, by check."""

    before: Annotated[dict[str, Value], Meta(description="readings before the first case")]
    after: Annotated[dict[str, Value], Meta(description="readings after the last case")]
    findings: Annotated[list[StateFinding], Meta(description="readings that are doubtful or unknown")]


class MeasuredContext(RunContext, frozen=True, kw_only=True):
    """Everything in a run that is not about one case, stored as its `perf` part."""

    state: Annotated[StateReport | None, Meta(description="the machine's state around the run")] = None
    limits_gflop_per_s: Annotated[
        dict[str, float],
        Meta(
            description="what each build's BLAS reaches in a large matrix product, in 10^9 floating-point operations "
            "per second; a limit of the build, not of the machine"
        ),
    ] = msgspec.field(default_factory=dict)
    blas: Annotated[
        dict[str, str], Meta(description="BLAS of each build, its kernels, and why it is slow here if that is known")
    ] = msgspec.field(default_factory=dict)
    machine_limits: Annotated[
        MachineLimits | None, Meta(description="what the machine can do, by probe; null if it was not measured")
    ] = None
    wall_time_s: Annotated[
        dict[str, float], Meta(description="wall time by stage, in seconds; of a merged night, the sum over its shards")
    ] = msgspec.field(default_factory=dict)
    curves: Annotated[
        dict[str, dict[int, Accuracy]],
        Meta(description="mean accuracy by epoch, in training and held out, by title of a training and ranks"),
    ] = msgspec.field(default_factory=dict)
    compared_with: Annotated[
        str | None, Meta(description="the stored run that it was compared with; null for none")
    ] = None


class MeasuredCase(msgspec.Struct, frozen=True):
    """A case as pytest-benchmark stores it."""

    fullname: Annotated[str, Meta(description="the case's pytest id")]
    extra_info: Annotated[CaseRecord, Meta(description="the case's record")]
    stats: Annotated[Statistics, Meta(description="pytest-benchmark's statistics of the counted passes")]


class MeasuredRun(msgspec.Struct, frozen=True):
    """A run's JSON. What is not listed here belongs to pytest-benchmark."""

    datetime: Annotated[str, Meta(description="when it ended (ISO 8601)")]
    perf: Annotated[MeasuredContext, Meta(description="the suite's part of the run")]
    benchmarks: Annotated[list[MeasuredCase], Meta(description="its cases")]

    @property
    def records(self) -> list[CaseRecord]:
        """The records of its cases, in the order of the file."""
        return [case.extra_info for case in self.benchmarks]


def read_measured(path: Path) -> MeasuredRun:
    """Return the whole run in a file. Raises PerfError, naming the file, if `read_run` does, or when a record lacks
    what this version of the suite writes.
    """
    read_run(path)
    try:
        return msgspec.json.decode(read_bytes(path, next_step=STEP), type=MeasuredRun)
    except UNREADABLE as error:
        message = f"holds no complete records, since another version of the suite measured it: {error}"
        step = f"export a run of this version: {uv()} run pytest perf/ --benchmark-json=RUN.json writes one"
        raise PerfError(message, subject=str(path), next_step=step) from error
