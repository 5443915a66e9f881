"""The rows of the page's table: a case's speed, verdict, answers and samples."""

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from perf.facts import CnnFacts, RnnFacts, TrainingFacts
from perf.judge.judgement import Tolerance
from perf.measure.outcome import STOP_MEANINGS
from perf.report.overview import Finding, Overview
from perf.report.page.data import Answers, CaseRow, Difference, Interval, SinceAnchor
from perf.report.page.samples import ARM, latencies_of, samples_of
from perf.report.page.source import ReportedCase
from perf.report.page.svg import interval_text
from perf.runs.verdict import GRAVITY, ChangeRecord, RatioRecord, VerdictRecord
from perf.wording import counted

# What a case without a verdict is called.
REFERENCE, NOT_JUDGED, NOT_RUN, VANISHED = "reference", "not judged", "not run", "vanished"
# Names of answers that do not speak for themselves.
LABELS: Mapping[str, str] = {"isa": "kernels", "sqnr_db": "SQNR, dB", "fused": "operators fused"}
# Why a cause is known, by the overview's word for it.
CAUSES: Mapping[str, str] = {
    "build": "build: it ran side by side with the baseline's stack, and whatever slows the machine slows both",
    "machine": "machine: the stack is the baseline's, so no build can have changed",
    "build or machine": "build or machine: the stack changed, and the baseline's stack was not measured side by side",
}


@dataclass(frozen=True)
class CaseSource:
    """What a row is made from: the case `now` and in the baseline (`then`), its `verdict` with the `finding` about it,
    its `tolerance`, how many invocations an undecided case needs (`needed`), the `command` that runs it alone, its
    drift `since_anchor`, and which losses of it were `accepted`.
    """

    now: ReportedCase
    then: ReportedCase | None
    verdict: VerdictRecord | None
    finding: Finding | None
    tolerance: Tolerance
    needed: int | None
    command: str
    since_anchor: SinceAnchor | None = None
    accepted: tuple[str, ...] = ()


def row_of(source: CaseSource) -> CaseRow:
    """Return the row of a measured case."""
    now, then, verdict = source.now, source.then, source.verdict
    estimate = now.speedup or now.efficiency
    change, over = _change(verdict) if verdict else (None, "")
    network, size = _labels(now)
    answers = _answers(now)
    unjudged = REFERENCE if now.variant == now.reference else NOT_JUDGED
    return CaseRow(
        name=now.name,
        family=now.family,
        network=network,
        size=size,
        variant=now.variant,
        verdict=verdict.kind if verdict else unjudged,
        reason=verdict.reason if verdict else "",
        percent=isinstance(now.facts, TrainingFacts),
        ratio=Interval(estimate.value, estimate.low, estimate.high) if estimate else None,
        typical=estimate.shown_typical if estimate else None,
        uncertain=bool(estimate and estimate.uncertain),
        published=now.published,
        baseline=_ratio_then(verdict, then, now.reference),
        change=change,
        change_over=over,
        tolerance=source.tolerance.change if verdict else None,
        smallest_loss=verdict.smallest_loss if verdict else None,
        cause=CAUSES.get(source.finding.cause, "") if source.finding else "",
        controls=list(_controls(verdict, over)) if verdict else [],
        decision=_decision(now, verdict, source.needed) if verdict else "",
        evaluations=_evaluations(now),
        since_anchor=source.since_anchor,
        accepted=list(source.accepted),
        changes=list(verdict.changes) if verdict else [],
        missing=list(verdict.missing) if verdict else [],
        answers=answers,
        answers_then=list(_differing_answers(_answers(then), answers)) if then and then.facts else None,
        latency_ms=now.latency_s * 1e3,
        latency_then_ms=then.latency_s * 1e3 if then else None,
        throughput=now.throughput_items_per_s,
        invocations=now.invocations,
        blocks=now.blocks,
        blocks_disturbed=now.blocks_disturbed,
        samples=list(samples_of(now, then)),
        latencies=latencies_of(now),
        command=source.command,
    )


def absent_rows(overview: Overview, measured: Collection[str], then: Mapping[str, ReportedCase]) -> Iterator[CaseRow]:
    """Yield the rows of cases that are not among those `measured`: refused ones with their verdict, those that were not
    run, and those that only the baseline contains.
    """
    refused = {f.case: (f.kind, f.reason, f.command) for f in overview.findings if f.case not in measured}
    not_run = {name: (NOT_RUN, why, "") for name, why in overview.not_run.items() if name not in measured}
    vanished = dict.fromkeys(overview.vanished, (VANISHED, "only the baseline contains this case", ""))
    for name, (verdict, reason, command) in {**vanished, **not_run, **refused}.items():
        before = then.get(name)
        network, size = _labels(before) if before else (name, "")
        yield CaseRow(
            name=name,
            family=before.family if before else "",
            network=network,
            size=size,
            variant=before.variant if before else "",
            verdict=verdict,
            reason=reason,
            percent=before is not None and before.efficiency is not None,
            published=before.published if before else None,
            baseline=_ratio_then(None, before, before.reference) if before else None,
            command=command,
        )


def significance(change: Interval | None) -> float:
    """Return the distance of a change from 1 in widths of its interval, on the log scale; 0 when it is unknown."""
    if change is None or change.low is None or change.high is None or not 0 < change.low < change.high:
        return 0.0
    return abs(math.log(max(change.value, change.low))) / math.log(change.high / change.low)


def _labels(case: ReportedCase) -> tuple[str, str]:
    """Return what names a case: network or cell, and batch size or shape."""
    match case.facts:
        case CnnFacts() as facts:
            return facts.network, str(facts.batch)
        case RnnFacts() as facts:
            return facts.cell, f"{facts.shape} x {counted(facts.layers, 'layer')}"
        case TrainingFacts() as facts:
            return f"{facts.network} training, {facts.build}", str(facts.batch)
    return case.subject, case.workload.removeprefix(case.subject).lstrip("-b")


def _change(verdict: VerdictRecord) -> tuple[Interval | None, str]:
    """Return the change that decides: the one side by side; else that of the gravest ratio."""
    if verdict.side_by_side is not None and verdict.side_by_side.change is not None:
        return _interval(verdict.side_by_side), ARM
    ratios = [ratio for ratio in verdict.ratios if ratio.change is not None]
    if not ratios:
        return None, ""
    gravest = max(ratios, key=lambda ratio: (GRAVITY.index(ratio.kind), significance(_interval(ratio))))
    return _interval(gravest), _stored(gravest.reference)


def _interval(record: ChangeRecord) -> Interval | None:
    if record.change is None:
        return None
    # The interval of an unknown error reaches from 0 to infinity, which JSON stores as null.
    low, high = record.change_low, record.change_high
    known = low and high is not None and math.isfinite(high)
    return Interval(record.change, low, high) if known else Interval(record.change)


def _ratio_then(verdict: VerdictRecord | None, then: ReportedCase | None, reference: str) -> float | None:
    judged: list[RatioRecord] = [ratio for ratio in verdict.ratios if ratio.reference == reference] if verdict else []
    if judged:
        return judged[0].then
    estimate = (then.speedup or then.efficiency) if then else None
    return estimate.value if estimate else None


def _controls(verdict: VerdictRecord, deciding: str) -> Iterator[str]:
    """Yield what was compared and did not decide: the ratios to stored speedups, and the latency."""
    for ratio in verdict.ratios:
        change, over = _interval(ratio), _stored(ratio.reference)
        if change is not None and over != deciding:
            yield f"{over}: {interval_text(change, percent=True)}"
    if verdict.latency_ratio is not None:
        yield f"latency on the same machine: {verdict.latency_ratio:.3f} times the baseline's (not judged)"


def _stored(reference: str) -> str:
    return f"stored speedup over {reference}"


def _evaluations(now: ReportedCase) -> str:
    """Return how often a case was evaluated, and why measuring it stopped."""
    evaluations, why = "screening", "not recorded"
    if now.confirmations is None:
        evaluations = "number not recorded"
    elif now.confirmations:
        evaluations = f"screening and {counted(now.confirmations, 'confirmation')}"
    if now.stopped is not None:
        why = STOP_MEANINGS[now.stopped]
    return f"{evaluations}; why measuring stopped: {why}"


def _decision(now: ReportedCase, verdict: VerdictRecord, needed: int | None) -> str:
    if now.side_by_side is not None and not now.side_by_side.problem:
        count = counted(len(now.side_by_side.values), "undisturbed invocation")
        text = f"{count} side by side with the baseline's stack"
        if verdict.kind != "inconclusive":
            return text
        return f"{text}, and undecided{_needs(now, needed)}"
    if now.side_by_side is not None:
        return f"not measured side by side: {now.side_by_side.problem}"
    if verdict.kind == "no-baseline":
        return ""
    sample = now.samples.get(now.reference)
    measured = counted(len(sample.floors) if sample else 0, "undisturbed invocation")
    return f"one comparison with the stored speedup, from {measured}"


def _needs(now: ReportedCase, needed: int | None) -> str:
    """Return what would decide an undecided case, with its time where the time of an invocation is recorded."""
    if not needed:
        return ""
    elapsed_s = [one.elapsed_s for one in now.slots if not one.confirmation]
    time = f", in about {math.ceil(needed * sum(elapsed_s) / len(elapsed_s) / 60)} min" if elapsed_s else ""
    return f"; --perf-invocations={needed} would decide it{time}"


def _answers(case: ReportedCase) -> Answers:
    match case.facts:
        case CnnFacts(check=check):
            drift = check.drift
            return Answers(
                isa=check.isa,
                sqnr_db=drift.sqnr_db if drift else None,
                top1_agreement=drift.top1_agreement if drift else None,
                fused=check.operators_fused,
                quantized=check.operators_quantized,
                unfused=check.operators_unfused,
                output_difference=check.output_difference,
                unjudged=check.unjudged,
            )
        case RnnFacts(check=check):
            return Answers(isa=check.isa, output_difference=check.output_difference)
    return Answers()


def _differing_answers(then: Answers, now: Answers) -> Iterator[Difference]:
    for name in Answers.__struct_fields__:
        before, after = getattr(then, name), getattr(now, name)
        if before != after:
            yield Difference(LABELS.get(name, name.replace("_", " ")), _shown(before), _shown(after))


def _shown(value: object) -> str:
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
