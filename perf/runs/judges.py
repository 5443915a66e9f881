"""What judges the cases of a run: a stored run or the published tables (`Gate`), or nothing (`NoBaseline`)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from perf.errors import PerfError
from perf.runs.baseline import usable_runs
from perf.runs.gate import Gate, comparisons_of
from perf.runs.groups import RunVerdicts
from perf.runs.schema import RunContext, StoredCase, StoredRun, case_of_item
from perf.runs.tolerances import ToleranceEntry, Tolerances
from perf.runs.variances import Priors, session_variances
from perf.runs.verdict import Verdict


class Judge(Protocol):
    """Judges the cases of a run."""

    @property
    def baseline(self) -> StoredRun | None:
        """The stored run, if there is one."""

    @property
    def name(self) -> str:
        """The baseline's name in messages; "" without one."""

    @property
    def comparisons(self) -> int:
        """How many ratios are judged in the whole run."""

    @property
    def settings_changed(self) -> list[str]:
        """The settings of the machine that differ from the baseline's, each as "name: then -> now"."""

    @property
    def marked(self) -> Mapping[str, ToleranceEntry]:
        """The tolerances that items of the run were marked with, by case."""

    @property
    def problem(self) -> PerfError | None:
        """Why the baseline cannot be used, if it cannot."""

    @property
    def compares(self) -> bool:
        """Whether the user asked for a comparison."""

    def undecided(self, case: StoredCase, priors: Mapping[str, Priors]) -> float | None:
        """Return the apparent slowdown, log(now/then) of the latency, of a case that needs remeasuring; None if it is
        decided.
        """

    def judged(self, cases: Sequence[StoredCase]) -> RunVerdicts:
        """Return the verdicts on all cases of a run. A case without a ratio has no verdict."""

    def lines(self) -> list[str]:
        """Return lines that say what the cases are compared with."""

    def only_then(self, selected: Collection[str]) -> list[str]:
        """Return the names of the baseline's cases that were not selected."""


@dataclass(frozen=True)
class NoBaseline:
    """Judges without a baseline: every case is `no-baseline` for the reason `why`; "" when the user asked for no
    comparison, and no case has a verdict. `problem` is the error of a baseline that cannot be used. `baseline`, `name`
    and `comparisons` are those of a `Judge` that compares with nothing.
    """

    why: str = ""
    problem: PerfError | None = None
    baseline: None = None
    name: str = ""
    comparisons: int = 0

    @property
    def settings_changed(self) -> list[str]:
        """Nothing."""
        return []

    @property
    def marked(self) -> Mapping[str, ToleranceEntry]:
        """Nothing: there is nothing to tolerate."""
        return {}

    @property
    def compares(self) -> bool:
        """Whether the user asked for a comparison."""
        return bool(self.why)

    def undecided(self, case: StoredCase, priors: Mapping[str, Priors]) -> None:
        """Return None: there is nothing to decide."""

    def judged(self, cases: Sequence[StoredCase]) -> RunVerdicts:
        """Return `no-baseline` for every case that has a speedup."""
        names = [case.name for case in cases if self.why and case.samples]
        return RunVerdicts({name: Verdict(name, "no-baseline", self.why) for name in names})

    def lines(self) -> list[str]:
        """Return nothing."""
        return []

    def only_then(self, selected: Collection[str]) -> list[str]:  # noqa: ARG002
        """Return nothing."""
        return []


def make_gate(
    name: str,
    baseline: StoredRun | None,
    context: RunContext,
    names: Collection[str],
    families: Collection[str],
    tolerances: Tolerances,
    stored: Sequence[StoredRun],
    *,
    ignored: tuple[str, ...] = (),
) -> Gate:
    """Return the gate for a run with this `context` and with cases of these `names` in these `families`. `stored` are
    the runs of its machine class, from which the variance between sessions is estimated. `ignored` are the files of
    other classes in their folder.
    """
    return Gate(
        name=name,
        baseline=baseline,
        context=context,
        tolerances=tolerances,
        comparisons=comparisons_of(names, baseline),
        sessions=session_variances(stored, families, tolerances, baseline),
        ignored=ignored,
    )


def judge_run(
    run: StoredRun,
    name: str,
    baseline: StoredRun | None,
    folder: Path,
    tolerances: Tolerances,
    *,
    but: Path | None = None,
) -> tuple[Gate, RunVerdicts]:
    """Judge a whole run by a stored one, or by the published tables for None, as the session that measured it would
    have: by the same rules, with the same error rates. The variance between sessions is estimated from the runs in
    `folder`, without the run itself (`but`).
    """
    names = [*run.cases, *map(case_of_item, run.perf.left_out), *run.perf.elsewhere]
    families = list(dict.fromkeys(case.family for case in run.cases.values()))
    stored = usable_runs(folder, run.perf.machine_class, but=but)
    gate = make_gate(name, baseline, run.perf, names, families, tolerances, stored)
    return gate, gate.judged(list(run.cases.values()))
