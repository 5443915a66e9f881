"""Build what the page shows, from a run, its verdicts and the baseline."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import scipy

from perf.files import read_toml
from perf.published import published_scaling
from perf.report.overview import Finding, Overview
from perf.report.page.cases import CaseSource, absent_rows, row_of, significance
from perf.report.page.data import (
    PAGE_SCHEMA,
    Accepted,
    CaseRow,
    Difference,
    HistoryView,
    Interval,
    Page,
    Rates,
    SinceAnchor,
    Worst,
)
from perf.report.page.figures import figures_of
from perf.report.page.roofline import roofline_of
from perf.report.page.samples import ARM
from perf.report.page.source import Compared
from perf.report.page.svg import interval_text
from perf.runs.groups import RunVerdicts
from perf.runs.judges import Judge, NoBaseline
from perf.runs.schema import AcceptedLosses, RunContext
from perf.runs.tolerances import Tolerances
from perf.runs.verdict import GRAVITY, Verdict, VerdictRecord
from perf.wording import counted

# The measured error rates of machine classes.
RATES = Path(__file__).with_name("rates.toml")
SHOWN_WORST = 3
# The probability (sign test) that independent changes lie so far on one side by chance, below which there is a warning.
ONE_SIDED = 0.01
# The fewest changes of which any number on one side is so improbable: 2 / 2^8 < 0.01 < 2 / 2^7.
LEAST_CHANGES = 8
# The fraction of runs with a loss from which on the loss counts as detected in the sentence about error rates.
SURE = 0.95


@dataclass(frozen=True)
class Judged:
    """The verdicts on a run.

    verdicts: those of this judge, with the groups of cases.
    records: each case's verdict as it is stored.
    judge: what judged.
    overview: what the whole run says.
    tolerances: which losses matter.
    command: returns the command that runs an item alone, by its pytest id.
    """

    verdicts: RunVerdicts
    records: Mapping[str, VerdictRecord]
    judge: Judge
    overview: Overview
    tolerances: Tolerances
    command: Callable[[str], str]


def stored_verdicts(compared: Compared) -> tuple[RunVerdicts, Mapping[str, VerdictRecord]]:
    """Return the verdicts that a run holds: those of the session that measured it."""
    records = {name: case.verdict for name, case in compared.run.cases.items() if case.verdict is not None}
    verdicts = {
        name: Verdict(name, record.kind, record.reason, changes=record.changes, missing=record.missing)
        for name, record in records.items()
    }
    return RunVerdicts(verdicts), records


def page_of(compared: Compared, judged: Judged, history: HistoryView | None = None) -> Page:
    """Return everything that the page shows of a run, and of the `history` of its class, if that was looked at."""
    context, overview = compared.run.perf, judged.overview
    rates = read_toml(RATES, dict[str, Rates]).get(context.machine_class)
    measured = list(_rows(compared, judged))
    absent = absent_rows(overview, {row.name for row in measured}, compared.cases_then)
    rows = [*measured, *absent]
    findings = context.state.findings if context.state else []
    doubtful = [finding for finding in findings if finding.verdict == "doubtful"]
    return Page(
        schema=PAGE_SCHEMA,
        run=compared.name,
        datetime=compared.run.datetime,
        machine_class=context.machine_class,
        tier=context.tier,
        compared=_compared(judged),
        word=overview.result,
        counts=dict(overview.counts),
        worst=_worst(rows, overview.findings),
        warnings=[
            *overview.doubts,
            *compared.doubts,
            *_one_sided(rows),
            *(history.warnings if history else ()),
            *(f"Doubtful while it ran: {f.check.replace('_', ' ')} {f.reading}." for f in doubtful),
        ],
        cases=rows,
        figures=figures_of(list(compared.run.cases.values()), published_scaling(), context.curves),
        roofline=roofline_of(compared.run.cases, context),
        rates_text=_rates_text(rates),
        rates=rates,
        groups=[f"{group.text}: {group.judgement.kind}" for group in judged.verdicts.groups],
        undecided=[f"{row.name}: {row.decision}; {row.evaluations}" for row in rows if row.verdict == "inconclusive"],
        wall_time_s=context.wall_time_s,
        accepted=[
            *_accepted(compared.name, context.accepted),
            *(_accepted(judged.judge.name, judged.judge.baseline.perf.accepted) if judged.judge.baseline else ()),
        ],
        origin=[
            *(f"{compared.name}: {line}" for line in context.origin),
            *(f"{judged.judge.name}: {line}" for line in (compared.then.perf.origin if compared.then else [])),
        ],
        environment=_environment(compared),
        settings=context.settings,
        history=history,
        explanations={name: case.explanation for name, case in compared.run.cases.items() if case.explanation},
    )


def _rows(compared: Compared, judged: Judged) -> Iterator[CaseRow]:
    findings = {finding.case: finding for finding in judged.overview.findings}
    by_tables = judged.judge.compares and judged.judge.baseline is None
    contexts = {compared.name: compared.run.perf} | ({judged.judge.name: compared.then.perf} if compared.then else {})
    for benchmark in compared.run.benchmarks:
        case = benchmark.extra_info
        verdict = judged.verdicts.verdicts.get(case.name)
        own = judged.tolerances.of(case.family, case.name, judged.judge.marked.get(case.name))
        yield row_of(
            CaseSource(
                now=case,
                then=compared.cases_then.get(case.name),
                verdict=judged.records.get(case.name),
                finding=findings.get(case.name),
                tolerance=judged.tolerances.published if by_tables else own,
                needed=verdict.side_by_side.needed if verdict and verdict.side_by_side else None,
                command=judged.command(benchmark.fullname),
                since_anchor=next(_since_anchor(case.name, contexts), None),
                accepted=tuple(_accepted_of(case.name, contexts)),
            )
        )


def _compared(judged: Judged) -> str:
    if judged.judge.baseline is not None:
        return f"{judged.judge.name}, stored {judged.judge.baseline.datetime[:16]}"
    if isinstance(judged.judge, NoBaseline):
        return "judged when it was measured" if judged.records else "nothing"
    return "the published tables"


def _worst(rows: Sequence[CaseRow], findings: Sequence[Finding]) -> list[Worst]:
    """Return the gravest findings, among equals the most significant; `improved` is none of them."""
    named = {row.name: row for row in rows}
    bad = [(f, named[f.case]) for f in findings if f.kind not in {"improved", "no-baseline"}]
    # The overview has sorted them, but a stored verdict alone has no significance.
    bad.sort(key=lambda pair: (-GRAVITY.index(pair[0].kind), -(pair[0].significance or significance(pair[1].change))))
    return [
        Worst(
            case=row.name,
            verdict=row.verdict,
            change=interval_text(row.change, percent=True) if row.change else "not measured",
            change_over=row.change_over,
            tolerance=row.tolerance,
            cause=row.cause,
            reason=row.reason,
            changes=row.changes,
            missing=row.missing,
            answers=row.answers_then or [],
            command=row.command,
        )
        for _, row in bad[:SHOWN_WORST]
    ]


def _one_sided(rows: Sequence[CaseRow]) -> list[str]:
    """Warn when most changes point in one direction: many cases seldom become slower, or faster, at the same time. The
    machine and the reference cannot be the cause side by side.
    """
    moved = [row for row in rows if row.change is not None and row.change.value != 1]
    changes = [row.change.value for row in moved if row.change is not None]
    losses = sum(change < 1 for change in changes)
    if len(changes) < LEAST_CHANGES or scipy.stats.binomtest(losses, len(changes)).pvalue >= ONE_SIDED:
        return []
    side, number = ("slower", losses) if losses > len(changes) / 2 else ("faster", len(changes) - losses)
    side_by_side = all(row.change_over == ARM for row in moved)
    causes = "one change of all their stacks, or of" if side_by_side else "the machine, the reference or"
    return [
        f"{number} of {counted(len(changes), 'change')} point in one direction ({side}): a sign of {causes} the "
        "measuring code, rather than of separate changes."
    ]


def _accepted(name: str, accepted: AcceptedLosses | None) -> list[Accepted]:
    if accepted is None:
        return []
    dropped = [f"{case}: dropped" for case in accepted.dropped]
    judged = [f"{case}: {kind}" for case, kind in accepted.verdicts.items()]
    return [Accepted(name, accepted.reason, [*judged, *dropped])]


def _since_anchor(case: str, contexts: Mapping[str, RunContext]) -> Iterator[SinceAnchor]:
    """Yield the drift of a case since the anchor, as the run and its baseline state it."""
    for name, context in contexts.items():
        drift = context.drift.cases.get(case) if context.drift else None
        if drift is not None:
            change = None if drift.change is None else Interval(drift.change, drift.low, drift.high)
            yield SinceAnchor(name, drift.since, change, drift.unaccepted)


def _accepted_of(case: str, contexts: Mapping[str, RunContext]) -> Iterator[str]:
    """Yield what was accepted of a case when the run or its baseline was stored."""
    for name, context in contexts.items():
        if context.accepted and case in context.accepted.verdicts:
            yield f"{name}: {context.accepted.verdicts[case]}, accepted because: {context.accepted.reason}"


def _rates_text(rates: Rates | None) -> str:
    """Return how often the gate is wrong on a machine class, as a sentence: of its measured rates, the worst."""
    if rates is None:
        return "False alarms and misses on this machine class: not measured."
    counts = [tuple(map(int, alarms.outcome.split(" of "))) for alarms in rates.false_alarms]
    alarms, runs = max(counts, key=lambda count: count[0] / count[1])
    sure_5, sure_3 = (sum(getattr(one, loss) >= SURE for one in rates.detected) for loss in ("loss_5", "loss_3"))
    return (
        f"Measured on this machine class: an alarm in at most {alarms} of {counted(runs, 'run')} in which nothing "
        f"changed. In at least {100 * SURE:.0f} % of runs a loss of 5 % was detected in {sure_5} of "
        f"{counted(len(rates.detected), 'case')}, and one of 3 % in {sure_3}."
    )


def _environment(compared: Compared) -> list[Difference] | None:
    if compared.then is None:
        return None
    then, now = compared.then.perf.settings, compared.run.perf.settings
    return [
        Difference(name, str(then.get(name, "not recorded")), str(now.get(name, "not recorded")))
        for name in dict.fromkeys([*then, *now])
        if then.get(name) != now.get(name)
    ]
