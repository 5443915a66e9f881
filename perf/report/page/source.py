"""The run that a page shows: what a session stored, or what one is about to, with everything a reader wants of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from perf.errors import PerfError
from perf.facts import CaseFacts
from perf.files import read_json
from perf.runs.record import RatioEstimate
from perf.runs.schema import STEP, RunContext, StoredCase
from perf.runs.verdict import VerdictRecord

# Accuracy in training and held out, as fractions, by epoch.
Curve = list[tuple[float, float]]


class ReportedCase(StoredCase, frozen=True, kw_only=True):
    """A case as the page needs it: the judged part, and those fields of its record (perf.runs.record.CaseRecord) that
    the page shows. Runs of earlier versions may lack them.

    facts, speedup, efficiency, throughput_items_per_s, invocations, blocks, blocks_disturbed, verdict: as in the
    record.
    """

    facts: CaseFacts | None = None
    speedup: RatioEstimate | None = None
    efficiency: RatioEstimate | None = None
    throughput_items_per_s: float | None = None
    invocations: int | None = None
    blocks: int | None = None
    blocks_disturbed: int | None = None
    verdict: VerdictRecord | None = None


class ReportedBenchmark(msgspec.Struct, frozen=True):
    """A case (`extra_info`) with its pytest id (`fullname`)."""

    fullname: str
    extra_info: ReportedCase


class ReportedContext(RunContext, frozen=True, kw_only=True):
    """The run's context, with what the suite stores there for readers.

    tier: the tier. state: the machine's state before and after, and what was doubtful. wall_time_s: wall time by stage,
    in seconds. curves: accuracy by epoch, by title and number of ranks.
    """

    tier: str = ""
    state: dict[str, Any] = {}
    wall_time_s: dict[str, float] = {}
    curves: dict[str, dict[str, Curve]] = {}


class ReportedRun(msgspec.Struct, frozen=True):
    """A run: when it ended (`datetime`), its context (`perf`), and its cases (`benchmarks`)."""

    datetime: str
    perf: ReportedContext
    benchmarks: list[ReportedBenchmark]

    @property
    def cases(self) -> Mapping[str, ReportedCase]:
        """The cases by name."""
        return {benchmark.extra_info.name: benchmark.extra_info for benchmark in self.benchmarks}


@dataclass(frozen=True)
class Compared:
    """A run and what it was compared with.

    run: the run. name: the name of its file. then: the cases of the baseline, by name. then_settings: the baseline's
    machine settings.
    """

    run: ReportedRun
    name: str
    then: Mapping[str, ReportedCase]
    then_settings: Mapping[str, Any]


def read_reported(path: Path) -> ReportedRun:
    """Return the run in a file that `perf.runs.schema.read_run` accepts. Raises PerfError when the rest of it is
    damaged.
    """
    return read_json(path, ReportedRun, next_step=STEP)


def reported(document: Mapping[str, Any]) -> ReportedRun:
    """Return the run in a document that a session is about to write. Raises PerfError when it does not fit."""
    try:
        return msgspec.convert(document, ReportedRun)
    except msgspec.ValidationError as error:
        raise PerfError(f"the run cannot be shown as a page: {error}") from error
