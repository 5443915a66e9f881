"""Warnings about a run as a whole, error rates, and what an undecided or accepted case needs."""

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.files import ROOT, read_toml
from perf.measure.outcome import STOP_MEANINGS
from perf.report.overview import overview_of_run, rerun_command
from perf.report.page.build import LEAST_CHANGES, RATES, Judged, _rates_text, page_of
from perf.report.page.cases import significance
from perf.report.page.data import Blocks, FalseAlarms, Interval, Page, Rates, SinceAnchor
from perf.report.page.source import Compared, ReportedRun
from perf.runs.judges import Judge, NoBaseline
from perf.runs.refreshing.records import AnchorDrift, CaseDrift, SourceSession
from perf.runs.schema import AcceptedLosses
from perf.runs.verdict import Verdict
from tests.support.factories import (
    LOG_SPEEDUPS,
    TOLERANCES,
    as_run,
    benchmark,
    document,
    gate,
    measured_side_by_side,
    native,
    sample,
    stack,
)

NEW_WHEEL = stack(wheel="d" * 64, requirement="./new.whl")


def shown(now: dict[str, Any], then: dict[str, Any] | None = None, *refused: Verdict) -> Page:
    """Return the page of a run, judged by another one, and of cases that were `refused` before they were measured."""
    run = as_run(now)
    judge: Judge = gate(then) if then else NoBaseline("there is none")
    judged = judge.judged(list(run.cases.values()))
    verdicts = replace(judged, verdicts={**judged.verdicts, **{verdict.case: verdict for verdict in refused}})
    records = {name: verdict.record for name, verdict in verdicts.verdicts.items()}
    before = msgspec.convert(then, ReportedRun) if then else None
    compared = Compared(msgspec.convert(now, ReportedRun), "run.json", before)
    overview = overview_of_run(run, judge, verdicts, TOLERANCES)
    return page_of(
        compared,
        Judged(verdicts, records, judge, overview, TOLERANCES, lambda item: rerun_command(item, run, judge.name)),
    )


def moved(by: float, count: int) -> list[dict[str, Any]]:
    """Return this number of workloads, whose speedups differ by a factor."""
    values = [value + math.log1p(by) for value in LOG_SPEEDUPS]
    names = [f"net{number}-b1" for number in range(count)]
    return [e for name in names for e in (native(name), benchmark(name, samples={"native-fp32": sample(values)}))]


@pytest.mark.parametrize(("by", "side"), [(-0.004, "slower"), (0.004, "faster")])
def test_changes_in_one_direction_are_a_warning(by: float, side: str) -> None:
    then = document(*moved(0.0, 12))
    (warning,) = shown(document(*moved(by, 12)), then).warnings
    assert warning.startswith(
        f"12 of 12 changes point in one direction ({side}): a sign of the machine, the reference "
    )


def test_side_by_side_the_machine_is_not_suspected() -> None:
    then = document(*moved(0.0, 12))
    now = document(*moved(0.0, 12))
    for entry in now["benchmarks"]:
        if entry["extra_info"]["samples"]:
            entry["extra_info"]["stack"] = stack(wheel="c" * 64)
            entry["extra_info"]["beside"] = measured_side_by_side(-0.01, -0.011, -0.009)
    warnings = shown(now, then).warnings
    assert [text for text in warnings if "a sign of one change of all their stacks, or of the measuring code" in text]


def test_changes_in_both_directions_are_none() -> None:
    then = document(*moved(0.0, 12))
    assert shown(document(*moved(-0.004, 12)[:12], *moved(0.004, 12)[12:]), then).warnings == []


def test_few_changes_are_none() -> None:
    few = LEAST_CHANGES - 1
    assert shown(document(*moved(-0.004, few)), document(*moved(0.0, few))).warnings == []


def test_an_undecided_case_says_what_would_decide_it() -> None:
    entry = benchmark(stack=NEW_WHEEL, beside=measured_side_by_side(-0.15, 0.1, -0.12, 0.13))
    page = shown(document(native(), entry), document())
    (line,) = page.undecided
    assert line.startswith("resnet50_v1-b1-mkl-fp32: 4 undisturbed invocations side by side")
    assert "--perf-invocations=" in line
    assert page.word == "undecided"


def test_an_arm_that_could_not_run_is_the_reason() -> None:
    entry = benchmark(stack=NEW_WHEEL, beside=measured_side_by_side(problem="the wheel is gone"))
    (row,) = (row for row in shown(document(native(), entry), document()).cases if row.verdict == "inconclusive")
    assert row.decision == "not measured side by side: the wheel is gone"


def test_a_refused_case_has_a_row_and_is_among_the_worst() -> None:
    refused = Verdict("resnet50_v1-b1-mkl-int8", "invalid", "wrong answers: lost int8 pooling")
    page = shown(document(native(), benchmark()), document(), refused)
    (row,) = (row for row in page.cases if row.name == refused.case)
    assert (row.verdict, row.reason) == ("invalid", refused.reason)
    assert [worst.case for worst in page.worst] == [refused.case]
    assert page.counts["invalid"] == 1


def test_a_drift_is_put_down_to_the_machine_and_its_settings() -> None:
    now = document(*moved(-0.3, 1), settings={"kernel": "6.2.0", "governor": "performance"})
    page = shown(now, document(*moved(0.0, 1)))
    (worst,) = page.worst
    assert worst.verdict == "drifted"
    assert worst.cause.startswith("machine:")
    assert [(e.name, e.then, e.now) for e in page.environment or []] == [("kernel", "6.1.0", "6.2.0")]


def test_accepted_losses_of_run_and_baseline_are_shown() -> None:
    accepted = {"baseline": "0001.json", "reason": "new kernel", "verdicts": {"a": "drifted"}, "dropped": ["b"]}
    page = shown(document(), document(accepted=accepted))
    (entry,) = page.accepted
    assert (entry.run, entry.reason, entry.cases) == ("0001_a.json", "new kernel", ["a: drifted", "b: dropped"])


def test_without_a_baseline_nothing_is_compared() -> None:
    page = shown(document())
    assert page.word == "not compared"
    assert page.worst == []
    assert page.environment is None


def test_a_class_without_measured_rates_has_none() -> None:
    assert shown(document()).rates is None


def test_every_rate_stands_in_the_document_that_it_names() -> None:
    for machine_class, rates in read_toml(RATES, dict[str, Rates]).items():
        whole = Path(ROOT, rates.source).read_text()
        text = whole[whole.index(f"### Class {machine_class}") :]
        lines = text[: text.find("\n### ", 4) if "\n### " in text[4:] else len(text)].splitlines()
        for alarms in rates.false_alarms:
            assert any(f"| {alarms.outcome} |" in line for line in lines), alarms
        for loss in rates.detected:
            (cells,) = ([c.strip() for c in line.split("|")[1:]] for line in lines if f"| {loss.case} |" in line)
            assert (cells[1], cells[5]) == (f"{100 * loss.loss_3:.0f} %", f"{100 * loss.loss_5:.0f} %")


@given(st.floats(0.1, 10), st.floats(1.001, 2), st.floats(1.001, 2))
def test_a_narrower_interval_is_more_significant(change: float, width: float, more: float) -> None:
    narrow = Interval(change, change / width, change * width)
    wide = Interval(change, change / (width * more), change * width * more)
    assert significance(narrow) >= significance(wide)
    assert significance(Interval(change)) == 0


def test_the_sessions_behind_a_baseline_and_its_drift_are_shown() -> None:
    drift = AnchorDrift("0001_<script>.json", "0" * 64, {"a": CaseDrift("0001_a.json", 0.93, 0.9, 0.96, 0.93)})
    source = SourceSession("session-1.json", "2026-11-23T15:00:00+00:00", "f" * 64, ("net",))
    origin = {"drift": msgspec.to_builtins(drift), "sources": [msgspec.to_builtins(source)]}
    built, drifted = shown(document(), document(**origin)).origin
    assert built == "0001_a.json: built from session-1.json (2026-11-23T15:00, sha256 ffffffffffff)."
    assert drifted.startswith("0001_a.json: Sum of drift since the anchor 0001_<script>.json: median -7.0% of 1 case; ")
    assert shown(document(), document()).origin == []


def test_each_case_shows_its_own_drift_and_what_was_accepted_of_it() -> None:
    name = "resnet50_v1-b1-mkl-fp32"
    cases = {
        name: CaseDrift("0001_a.json", 0.93, 0.9, 0.96, 0.97),
        "gone": CaseDrift("0001_a.json", 0.5, 0.4, 0.6, 0.5),
    }
    accepted = AcceptedLosses("0001_a.json", "new kernel", {name: "drifted against 0001_a.json"}, ())
    stored = {"drift": AnchorDrift("0001_a.json", "0" * 64, cases), "accepted": accepted}
    page = shown(document(), document(**{key: msgspec.to_builtins(value) for key, value in stored.items()}))
    rows = {row.name: row for row in page.cases}
    assert rows[name].since_anchor == SinceAnchor("0001_a.json", "0001_a.json", Interval(0.93, 0.9, 0.96), 0.97)
    assert rows[name].accepted == ["0001_a.json: drifted against 0001_a.json, accepted because: new kernel"]
    other = rows["resnet18_v1-b1-mkl-fp32"]
    assert (other.since_anchor, other.accepted) == (None, [])


def test_the_evaluations_of_a_case_and_why_measuring_stopped_are_shown() -> None:
    def evaluations(**record: Any) -> str:
        page = shown(document(native(), benchmark(**record)))
        return next(row.evaluations for row in page.cases if row.variant == "mkl-fp32")

    assert evaluations(confirmations=2, stopped="decided") == (
        "screening and 2 confirmations; why measuring stopped: a confirmation decided it"
    )
    assert evaluations(confirmations=0, stopped="budget").startswith(
        "screening; why measuring stopped: the tier's time"
    )
    assert evaluations() == "number not recorded; why measuring stopped: not recorded"
    documented = Path(ROOT, "docs/report-page.md").read_text()
    for reason, meaning in STOP_MEANINGS.items():
        assert evaluations(confirmations=0, stopped=reason).endswith(meaning)
        assert f"| `{reason}` | {meaning} |" in documented


def test_blocks_side_by_side_are_shown_although_all_are_disturbed() -> None:
    latencies = {"mkl-fp32": [0.01, 0.02], "mkl-fp32@baseline": [0.02, 0.02], "native-fp32": [0.1, None]}
    slots = [{"confirmation": False, "disturbed": True, "elapsed_s": 4.0, "disturbed_blocks": [1, 2]}]
    slots[0]["latencies_s"] = latencies
    entry = benchmark(stack=NEW_WHEEL, beside=measured_side_by_side(), slots=slots)
    rows = shown(document(native(), entry), document()).cases
    (row,) = (row for row in rows if row.verdict == "invalid")
    assert row.decision == "0 undisturbed invocations side by side with the baseline's stack"
    arm, native_fp32 = row.samples
    assert arm.name.startswith("the baseline's stack")
    assert (arm.typical, arm.blocks) == ([], [Blocks(False, False, [2.0, 1.0], [1, 2])])
    assert native_fp32.blocks == [Blocks(False, False, [10.0, None], [1, 2])]


def test_an_undecided_case_says_how_long_deciding_it_takes() -> None:
    slots = [{"confirmation": False, "disturbed": False, "elapsed_s": 60.0, "disturbed_blocks": [], "latencies_s": {}}]
    beside = measured_side_by_side(-0.15, 0.1, -0.12, 0.13)
    page = shown(document(native(), benchmark(stack=NEW_WHEEL, beside=beside, slots=slots)), document())
    (line,) = page.undecided
    needed = re.search(r"--perf-invocations=(\d+) would decide it, in about (\d+) min", line)
    assert needed
    assert needed[1] == needed[2], "an invocation took a minute"


def test_the_worst_measured_rates_stand_beside_the_verdict() -> None:
    rates = read_toml(RATES, dict[str, Rates])["intel-xeon-6.207-2c-1n-amx"]
    worst = FalseAlarms("made", "30 of 100")
    text = _rates_text(msgspec.structs.replace(rates, false_alarms=[*rates.false_alarms, worst]))
    assert "at most 30 of 100 runs" in text
    sure = sum(one.loss_5 >= 0.95 for one in rates.detected)
    assert f"a loss of 5 % was detected in {sure} of {len(rates.detected)} cases" in text
    assert "not measured" in shown(document()).rates_text
