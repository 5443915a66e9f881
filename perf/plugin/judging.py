"""Judging the cases of a session by the baseline that the user named."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from perf.errors import PerfError
from perf.measure.family import Case
from perf.plugin.storage import Storage, find_baseline
from perf.runs import document
from perf.runs.baseline import TOLERANCES, stored_runs
from perf.runs.document import Context
from perf.runs.gate import Gate, Priors, Verdict, comparisons_of
from perf.runs.sessions import sessions_of
from perf.runs.tolerances import read_tolerances
from perf.stack import Stack


@dataclass(frozen=True)
class Judging:
    """The gate of a session; without one, every case is `no-baseline`, for the reason in `why_none`. `problem` is the
    error of a baseline that is there and cannot be used.
    """

    gate: Gate | None
    why_none: str = ""
    problem: PerfError | None = None

    @property
    def content(self) -> str | None:
        """What tells the baseline from others: its name and when it ended; None without one."""
        baseline = self.gate.baseline if self.gate else None
        return f"{self.gate.name}, {baseline.datetime}" if self.gate and baseline else None

    def undecided(self, case: document.Case, priors: Mapping[str, Priors]) -> float | None:
        """The apparent log slowdown of a case that needs another look; None of any other."""
        return self.gate.undecided(case, priors) if self.gate else None

    def stack(self, case: str) -> Stack | None:
        """What the baseline ran of a case; None for one that it does not hold."""
        baseline = self.gate.baseline if self.gate else None
        found = baseline.cases.get(case) if baseline else None
        return found.stack if found else None

    def verdict(self, case: document.Case, priors: Mapping[str, Priors]) -> Verdict | None:
        """The verdict on a case; None for a reference, by which others are judged."""
        if self.gate:
            return self.gate.verdict(case, priors)
        return Verdict(case.name, "no-baseline", self.why_none) if case.samples else None


def start_judging(storage: Storage, context: Context, selected: Sequence[Case]) -> Judging | None:
    """The session's judging; None when the user compares with nothing. PerfError when the tolerances are unusable."""
    if storage.compare is None:
        return None
    tolerances = read_tolerances(TOLERANCES)
    try:
        baseline = find_baseline(storage, context.machine_class)
    except PerfError as error:
        return Judging(None, f"the baseline cannot be used: {error.what}", error)
    if baseline is None:
        step = "store one with: uv run pytest perf/ --benchmark-save=NAME"
        return Judging(None, f"no run is stored for machine class {context.machine_class} ({step})")
    comparisons = comparisons_of([case.id for case in selected], baseline.run)
    families = list(dict.fromkeys(case.family.name for case in selected))
    sessions = sessions_of(stored_runs(storage.folder, context.machine_class), families, tolerances, baseline.run)
    return Judging(Gate(baseline.name, baseline.run, context, tolerances, comparisons, sessions))
