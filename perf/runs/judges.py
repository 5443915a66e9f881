"""What judges the cases of a run: a stored run, the published tables, or nothing."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from perf.errors import PerfError
from perf.runs.baseline import usable_runs
from perf.runs.gate import Gate, Priors, comparisons_of
from perf.runs.groups import RunVerdicts
from perf.runs.schema import RunContext, StoredCase, StoredRun
from perf.runs.sessions import session_variances
from perf.runs.tolerances import Tolerances
from perf.runs.verdict import Verdict


class Judge(Protocol):
    """What judges the cases of a run: a baseline (`perf.runs.gate.Gate`), or nothing (`Ungated`)."""

    @property
    def baseline(self) -> StoredRun | None:
        """The stored run, if there is one."""

    @property
    def name(self) -> str:
        """What the baseline is called in messages; "" without one."""

    @property
    def comparisons(self) -> int:
        """How many ratios the whole run has judged."""

    @property
    def settings_changed(self) -> list[str]:
        """Which settings of the machine differ from the baseline's."""

    @property
    def problem(self) -> PerfError | None:
        """The error of a baseline that is there and cannot be used."""

    @property
    def compares(self) -> bool:
        """Whether verdicts were asked for."""

    def undecided(self, case: StoredCase, priors: Mapping[str, Priors]) -> float | None:
        """The apparent log slowdown of a case that needs remeasuring; None if it is decided."""

    def judged(self, cases: Sequence[StoredCase]) -> RunVerdicts:
        """The verdicts on all cases of a run: none where nothing is said of a case."""

    def lines(self) -> list[str]:
        """What the cases are judged by, for a user."""

    def only_then(self, selected: Collection[str]) -> list[str]:
        """The baseline's cases that were not selected, by name."""


@dataclass(frozen=True)
class NoBaseline:
    """The gate without a baseline: every case is `no-baseline`, for the reason `why`. Without a reason nothing was to
    be compared, and nothing is said.
    """

    why: str = ""
    problem: PerfError | None = None
    baseline: None = None
    name: str = ""
    comparisons: int = 0

    @property
    def settings_changed(self) -> list[str]:
        """None."""
        return []

    @property
    def compares(self) -> bool:
        """Whether there is a reason why nothing can be compared."""
        return bool(self.why)

    def undecided(self, case: StoredCase, priors: Mapping[str, Priors]) -> None:
        """None: there is nothing to decide."""

    def judged(self, cases: Sequence[StoredCase]) -> RunVerdicts:
        """`no-baseline`; nothing for a reference."""
        named = [case.name for case in cases if self.why and case.samples]
        return RunVerdicts({name: Verdict(name, "no-baseline", self.why) for name in named})

    def lines(self) -> list[str]:
        """Nothing."""
        return []

    def only_then(self, selected: Collection[str]) -> list[str]:  # noqa: ARG002
        """Nothing."""
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
    """The gate of a run with this `context`, of cases with these `names` in these `families`. `stored` are the runs of
    its class, from which the variance between sessions is estimated; `ignored` are files of other classes.
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
    run: StoredRun, name: str, baseline: StoredRun, folder: Path, tolerances: Tolerances, *, but: Path | None = None
) -> tuple[Gate, RunVerdicts]:
    """Judge a whole run by a stored one, as the session that measured it would have: the same rules, the same error
    rates. The variance between sessions is estimated from the runs in `folder`, the run itself (`but`) apart.
    """
    names = [*run.cases, *map(case_of_item, run.perf.left_out)]
    families = list(dict.fromkeys(case.family for case in run.cases.values()))
    stored = usable_runs(folder, run.perf.machine_class, but=but)
    gate = make_gate(name, baseline, run.perf, names, families, tolerances, stored)
    return gate, gate.judged(list(run.cases.values()))


def case_of_item(item: str) -> str:
    """The case in a pytest id, such as "perf/cnn/test_inference.py::test_inference[resnet50_v1-b1-mkl-fp32]"."""
    return item.rpartition("[")[2].removesuffix("]")
