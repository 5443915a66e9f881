"""The run that a page shows: what a session stored, or what one is about to, with everything a reader wants of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from perf.errors import PerfError
from perf.facts import CaseFacts
from perf.files import UNREADABLE, read_json
from perf.limits.roofline import Bound
from perf.measure.results import StopReason
from perf.runs.explanation import Explanation
from perf.runs.record import RatioEstimate
from perf.runs.schema import STEP, StoredCase, StoredRun
from perf.runs.session.run import MeasuredContext
from perf.runs.session.slots import InvocationSlots
from perf.runs.verdict import VerdictRecord


class ReportedCase(StoredCase, frozen=True, kw_only=True):
    """A case as the page needs it: the judged part, and those fields of its record (perf.runs.record.CaseRecord) that
    the page shows. Runs of earlier versions may lack them.

    `facts`, `speedup`, `efficiency`, `throughput_items_per_s`, `invocations`, `blocks`, `blocks_disturbed`, `verdict`,
    `confirmations`, `stopped`, `slots`, `gflop_per_s`, `instances`, `bound` and `explanation` are as in the record.
    """

    facts: CaseFacts | None = None
    speedup: RatioEstimate | None = None
    efficiency: RatioEstimate | None = None
    throughput_items_per_s: float | None = None
    invocations: int | None = None
    blocks: int | None = None
    blocks_disturbed: int | None = None
    verdict: VerdictRecord | None = None
    confirmations: int | None = None
    stopped: StopReason | None = None
    slots: tuple[InvocationSlots, ...] = ()
    gflop_per_s: float | None = None
    instances: int | None = None
    bound: Bound | None = None
    explanation: Explanation | None = None


class ReportedBenchmark(msgspec.Struct, frozen=True):
    """A case (`extra_info`) with its pytest id (`fullname`)."""

    fullname: str
    extra_info: ReportedCase


class ReportedRun(msgspec.Struct, frozen=True):
    """A run: when it ended (`datetime`), its context (`perf`), and its cases (`benchmarks`)."""

    datetime: str
    perf: MeasuredContext
    benchmarks: list[ReportedBenchmark]

    @property
    def cases(self) -> Mapping[str, ReportedCase]:
        """The cases by name."""
        return {benchmark.extra_info.name: benchmark.extra_info for benchmark in self.benchmarks}


@dataclass(frozen=True)
class Readable:
    """A `run` that was read, and the `doubt` about it; "" when everything was understood."""

    run: ReportedRun
    doubt: str = ""


@dataclass(frozen=True)
class Compared:
    """A run and what it was compared with.

    run: the run.
    name: the name of its file.
    then: the baseline's run; None without one.
    doubts: what could not be read of either, a sentence each.
    """

    run: ReportedRun
    name: str
    then: ReportedRun | None = None
    doubts: tuple[str, ...] = ()

    @classmethod
    def of(cls, now: "Readable", name: str, then: "Readable | None") -> "Compared":
        """Return a run that was read, and the run that it was compared with, if there is one."""
        doubts = tuple(each.doubt for each in (now, then) if each and each.doubt)
        return cls(now.run, name, then.run if then else None, doubts)

    @property
    def cases_then(self) -> Mapping[str, ReportedCase]:
        """The baseline's cases by name; none without a baseline."""
        return self.then.cases if self.then else {}


def read_reported(path: Path, stored: StoredRun) -> Readable:
    """Return the run in a file, of which `perf.runs.schema.read_run` has returned the judged part (`stored`), with what
    a reader wants of it. Where that cannot be read, as in runs of an earlier version, the judged part is all.
    """
    try:
        return Readable(read_json(path, ReportedRun, next_step=STEP))
    except PerfError as error:
        judged = msgspec.convert(msgspec.to_builtins(stored), ReportedRun)
        return Readable(judged, f"The answers and intervals of {path.name} are not shown: it {error.what}.")


def reported(content: bytes) -> ReportedRun:
    """Return the run that a session is about to write. Raises PerfError when it does not fit."""
    try:
        return msgspec.json.decode(content, type=ReportedRun)
    except UNREADABLE as error:
        raise PerfError(f"the run cannot be shown as a page: {error}") from error
