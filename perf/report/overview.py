"""What a whole run says: one word, the counts of all verdicts, and its findings, the gravest first. Pure: no I/O.

Every report of a run starts from it: the page, the Markdown for pull requests and the annotations of a workflow.
"""

import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from perf.judge.judgement import Judgement, VerdictKind
from perf.runs.groups import RunVerdicts
from perf.runs.judges import Judge
from perf.runs.schema import RunContext, StoredRun, case_of_item
from perf.runs.tolerances import Tolerances
from perf.runs.verdict import FAILING, GRAVITY, Verdict
from perf.wording import change_text, uv

# The result of a whole run in one word, the gravest last.
RunResult = Literal["not compared", "ok", "improved", "incomplete", "undecided", "invalid", "drifted", "regressed"]
# What a verdict makes of the run that contains it.
RESULTS: Mapping[VerdictKind, RunResult] = {
    "ok": "ok",
    "improved": "improved",
    "no-baseline": "incomplete",
    "inconclusive": "undecided",
    "invalid": "invalid",
    "drifted": "drifted",
    "regressed": "regressed",
}
# What each word means, as a sentence.
RESULT_MEANINGS: Mapping[RunResult, str] = {
    "not compared": "No case was compared with a baseline.",
    "ok": "Every case was judged, and every case is ok.",
    "improved": "Every case was judged, none lost, and at least one became faster.",
    "incomplete": "No case lost, but some were not run, vanished since the baseline, or are not in it.",
    "undecided": "For at least one case the measurement cannot distinguish a loss from noise.",
    "invalid": "At least one case cannot be judged: wrong answers, or no usable measurement.",
    "drifted": "At least one case lost or gained speed on the same stack: the machine changed.",
    "regressed": "At least one case became slower.",
}
# How the reason starts for a case that was not run: with --perf-strict, otherwise, and in a session that was stopped.
# Any other case without a result failed.
NOT_RUN = ("not run: ", "Skipped: ", "not finished")
# How the change of a finding was measured; "" when it is unknown.
Comparison = Literal["side by side", "between sessions", ""]
# What changed, as far as the verdict says; "" when it says nothing.
Cause = Literal["build", "machine", "build or machine", ""]


@dataclass(frozen=True)
class Finding:
    """A case that is not `ok`.

    case: its name, such as "resnet50_v1-b8-mkl-int8".
    family: its family; "" for a case that was not measured.
    kind: its verdict.
    reason: the reason for the verdict.
    compared: how the change was measured.
    change: speed now, divided by speed then: below 1 is slower. None when it is unknown.
    low: the lower end of the change's 95 % interval.
    high: the upper end of it.
    significance: the distance of the change from 1, in standard errors of its logarithm; 0 when it is unknown.
    tolerance: the loss that raises no alarm, as a fraction.
    smallest_loss: the smallest loss, as a fraction, that 95 of 100 such runs would detect; None when it is unknown.
    cause: what changed.
    changes: the changes of the stack, and of the machine's settings if it may be the cause, as "name: then -> now".
    item: its pytest id.
    command: the command that runs it alone, as it was run.
    """

    case: str
    family: str
    kind: VerdictKind
    reason: str
    compared: Comparison
    change: float | None
    low: float | None
    high: float | None
    significance: float
    tolerance: float
    smallest_loss: float | None
    cause: Cause
    changes: tuple[str, ...]
    item: str
    command: str

    @property
    def failing(self) -> bool:
        """Whether its verdict fails the test of the case."""
        return self.kind in FAILING

    @property
    def change_text(self) -> str:
        """The change with its interval, such as "-6.4% [-7.8%, -5.0%]"; "-" when it is unknown."""
        return change_text(self.change, self.low, self.high)


@dataclass(frozen=True)
class SelectedCase:
    """A case that a run selected: its `name`, its `family` ("" when it is unknown), and its pytest id (`item`)."""

    name: str
    family: str
    item: str


@dataclass(frozen=True)
class Overview:
    """What a whole run says.

    result: its result in one word.
    counts: the number of cases by verdict, the gravest verdict first; then "not run" and "vanished". Only what occurs.
    findings: the cases that are not `ok`, the gravest first and among equals the most significant.
    not_run: the cases that were selected and have neither a verdict nor a result, with the reason of each.
    vanished: the cases that only the baseline contains.
    judged: how many cases were compared with a baseline.
    baseline: the baseline's name; "" without one.
    doubts: why the run as a whole says less than its cases, a sentence each.
    """

    result: RunResult
    counts: Mapping[str, int]
    findings: tuple[Finding, ...]
    not_run: Mapping[str, str]
    vanished: tuple[str, ...]
    judged: int
    baseline: str
    doubts: tuple[str, ...] = ()

    @property
    def counts_text(self) -> str:
        """The counts as text, such as "1 regressed, 17 ok, 2 not run"; "no case" when nothing was selected."""
        return ", ".join(f"{number} {name}" for name, number in self.counts.items()) or "no case"


def overview_of(
    judged: RunVerdicts,
    judge: Judge,
    tolerances: Tolerances,
    selected: Sequence[SelectedCase],
    not_run: Mapping[str, str],
    command: Callable[[str], str],
    context: RunContext,
) -> Overview:
    """Return the overview of a run: of a session at its end, or of a stored run (`overview_of_run`).

    `selected` holds all cases that the run selected. `not_run` holds the reason for each of them that has no result.
    `command` returns the command that runs an item, by its pytest id. `context` is the run's own, at its end.
    """
    cases = {case.name: case for case in selected}
    verdicts = {name: v for name, v in judged.verdicts.items() if not v.reason.startswith(NOT_RUN)}
    missing = {name: why for name, why in not_run.items() if name not in verdicts}
    vanished = tuple(judge.only_then([*cases, *context.elsewhere, *context.deselected]))
    counted = Counter(verdict.kind for verdict in verdicts.values())
    counts: dict[str, int] = {kind: counted[kind] for kind in reversed(GRAVITY) if counted[kind]}
    counts |= {name: number for name, number in (("not run", len(missing)), ("vanished", len(vanished))) if number}
    findings = [
        _finding(verdict, judge, tolerances, cases.get(name, SelectedCase(name, "", "")), command)
        for name, verdict in verdicts.items()
        if verdict.kind != "ok"
    ]
    findings.sort(key=lambda finding: (-GRAVITY.index(finding.kind), -finding.significance, finding.case))
    compared = len(verdicts) - counted["no-baseline"]
    return Overview(
        result=_result(counts, compared, missing.values(), baseline=bool(judge.name), complete=context.complete),
        counts=counts,
        findings=tuple(findings),
        not_run=missing,
        vanished=vanished,
        judged=compared,
        baseline=judge.name,
        doubts=tuple(doubts_of(context)),
    )


def overview_of_run(run: StoredRun, judge: Judge, judged: RunVerdicts, tolerances: Tolerances) -> Overview:
    """Return the overview of a stored run, judged by `perf.runs.judges.judge_run`."""
    stored = [SelectedCase(b.extra_info.name, b.extra_info.family, b.fullname) for b in run.benchmarks]
    absent = {case_of_item(item): (item, why) for item, why in run.perf.left_out.items()}
    selected = [*stored, *(SelectedCase(name, "", item) for name, (item, _) in absent.items())]
    not_run = {name: why for name, (_, why) in absent.items()}
    return overview_of(
        judged, judge, tolerances, selected, not_run, lambda item: rerun_command(item, run, judge.name), run.perf
    )


def rerun_command(item: str, run: StoredRun, baseline: str) -> str:
    """Return the command that runs an item alone as a stored run did: with its arguments or, where an older file does
    not hold them, as far as it says how: its tier, the wheels that uv.lock does not pin, what was slowed down on
    purpose, and the baseline.
    """
    if run.perf.arguments:
        return shlex.join([uv(), "run", "pytest", item, *run.perf.arguments])
    cases = [benchmark.extra_info for benchmark in run.benchmarks]
    wheels = {case.build: case.stack.requirement for case in cases if not case.wheel_locked}
    arguments = [f"--perf-tier={run.perf.tier}"] if run.perf.tier else []
    arguments += [f"--perf-build={role}={requirement}" for role, requirement in wheels.items()]
    arguments += [f"--perf-inject={name}={100 * fraction:g}" for name, fraction in run.perf.injected.items()]
    arguments += [f"--benchmark-compare={baseline}"] if baseline else []
    return shlex.join([uv(), "run", "pytest", item, *arguments])


def doubts_of(context: RunContext) -> Iterator[str]:
    """Yield why a run as a whole says less than its cases."""
    if context.shard:
        yield f"The run is {context.shard.text} of a night: mxperf merge joins them."
    if not context.complete:
        yield "The run is unfinished."
    if context.injected:
        slowed = ", ".join(f"{name} by {fraction:.1%}" for name, fraction in context.injected.items())
        yield f"The run was slowed down on purpose (--perf-inject): {slowed}."
    if context.deselected:
        yield f"Cases of the baseline that were not asked for: {len(context.deselected)}."


def _result(
    counts: Mapping[str, int], compared: int, missing: Iterable[str], *, baseline: bool, complete: bool
) -> RunResult:
    """Return the gravest word of the counts. Whatever was not judged makes a run with a `baseline` incomplete at least,
    even if nothing was; and a case that failed, by the reasons of those that are `missing`, makes it invalid.
    """
    failed = not all(reason.startswith(NOT_RUN) for reason in missing)
    if not compared and not failed and not (baseline and counts):
        return "not compared"
    results = [RESULTS[kind] for kind in GRAVITY if counts.get(kind)]
    results += ["invalid"] if failed else []
    results += ["incomplete"] if not complete or counts.keys() & {"not run", "vanished"} else []
    order = list(RESULT_MEANINGS)
    return max(results, key=order.index)


def _finding(
    verdict: Verdict, judge: Judge, tolerances: Tolerances, case: SelectedCase, command: Callable[[str], str]
) -> Finding:
    compared, judgement = _shown(verdict)
    change = judgement.change if judgement else None
    low, high = change.interval() if change and change.known else (None, None)
    tolerance = (
        tolerances.of(case.family, case.name, judge.marked.get(case.name)) if judge.baseline else tolerances.published
    )
    cause = _cause(verdict)
    return Finding(
        case=verdict.case,
        family=case.family,
        kind=verdict.kind,
        reason=verdict.reason,
        compared=compared,
        change=change.ratio if change else None,
        low=low,
        high=high,
        significance=_significance(judgement),
        tolerance=tolerance.change,
        smallest_loss=judgement.smallest_loss if judgement else None,
        cause=cause,
        changes=(*verdict.changes, *(judge.settings_changed if "machine" in cause else ())),
        item=case.item,
        command=command(case.item) if case.item else "",
    )


def _shown(verdict: Verdict) -> tuple[Comparison, Judgement | None]:
    """Return the judgement that a reader needs: the one side by side; else the gravest, and among equals the most
    significant, of the ratios.
    """
    if verdict.side_by_side is not None and verdict.side_by_side.change is not None:
        return "side by side", verdict.side_by_side
    judgements = [ratio.judgement for ratio in verdict.ratios if ratio.judgement.change is not None]
    if not judgements:
        return "", None
    return "between sessions", max(judgements, key=lambda one: (GRAVITY.index(one.kind), _significance(one)))


def _significance(judgement: Judgement | None) -> float:
    change = judgement.change if judgement else None
    return abs(change.log_ratio) / change.error if change and change.error else 0.0


def _cause(verdict: Verdict) -> Cause:
    """Return the cause as far as it is known: side by side, whatever happens to the machine happens to both."""
    if verdict.kind in {"regressed", "improved"}:
        return "build" if verdict.side_by_side is not None else "build or machine"
    if verdict.kind == "drifted":
        return "build or machine" if any(not c.startswith("measuring:") for c in verdict.changes) else "machine"
    return ""
