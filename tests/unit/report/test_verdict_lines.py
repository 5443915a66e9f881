"""The message of a failing case, and the stored record of a verdict."""

import json
import math
import re

import msgspec
import pytest

from perf.report.verdicts import (
    estimate_text,
    verdict_lines,
)
from perf.runs.judges import NoBaseline
from perf.runs.verdict import Verdict
from tests.support.factories import (
    CASE,
    benchmark,
    gate,
    int8,
    judged,
    measured_side_by_side,
    sample,
    stack,
)
from tests.unit.report.made_verdicts import (
    COMMAND,
    NEW_WHEEL,
    SETTINGS,
    WHEEL_CHANGE,
    drifted,
    judged_side_by_side,
)


def test_a_regression_is_explained_in_at_most_twelve_lines() -> None:
    lines = verdict_lines(judged_side_by_side(-0.1), gate(settings=SETTINGS), COMMAND)
    text = "\n".join(lines)
    assert lines[0].startswith(f"{CASE}: regressed by 10.0%: over 99.999 % confidence")
    assert lines[1].startswith("  side by side with the baseline's stack: -10.0% [-10.")
    assert "over native-fp32: now 5.00 [" in text
    assert "(3 invocations), baseline 5.00 [" in text
    assert "    change, including the variance between sessions: +0.0% [" in text
    assert "  baseline: 0001_a.json; this run makes 12 comparisons" in lines
    assert f"  changed: {WHEEL_CHANGE}" in lines
    assert "  changed: kernel: 6.1.0 -> 6.2.0" in lines
    assert lines[-1] == f"  alone: {COMMAND}"
    assert len(lines) <= 12


def test_a_drift_states_its_size_and_what_changed_on_the_machine() -> None:
    at = gate(settings=SETTINGS)
    lines = verdict_lines(drifted(at=at), at, COMMAND)
    assert lines[0].startswith(f"{CASE}: drifted by 20.0%: same stack, over 99.999 % confidence ")
    assert lines[0].endswith("; changed: kernel: 6.1.0 -> 6.2.0")
    assert not any("side by side" in line for line in lines)


def test_a_difference_in_the_measuring_code_is_shown_with_a_drift() -> None:
    verdict = drifted(stack=stack(measuring="ba9876543210"))
    assert "  changed: measuring: 0123456789ab -> ba9876543210" in verdict_lines(verdict, gate(), COMMAND)


def test_what_the_baseline_arm_lacked_is_shown() -> None:
    lines = verdict_lines(judged_side_by_side(-0.1, threads=1), gate(), COMMAND)
    assert lines[2] == "    the baseline arm differs from that stack: threads: 2 -> 1"


def test_both_ratios_of_int8_are_shown() -> None:
    lines = verdict_lines(judged(int8(over_native=2.6)), gate(), COMMAND)
    assert [line.split(":")[0] for line in lines if line.startswith("  over")] == [
        "  over native-fp32",
        "  over mkl-fp32",
    ]


def test_latency_is_shown_only_on_the_same_machine() -> None:
    line = "  latency on the same machine: 1.000 times the baseline's (not judged)"
    assert line in verdict_lines(drifted(), gate(), COMMAND)
    other = gate(host_id="another")
    assert not any("latency" in line for line in verdict_lines(drifted(at=other), other, COMMAND))


def test_a_case_without_a_baseline_has_its_reason_and_command() -> None:
    verdict = Verdict(CASE, "no-baseline", "no run is stored")
    assert verdict_lines(verdict, NoBaseline("no run is stored"), COMMAND) == [
        f"{CASE}: no-baseline: no run is stored",
        f"  alone: {COMMAND}",
    ]


def test_the_record_holds_the_printed_figures() -> None:
    record = judged_side_by_side(-0.1).record
    (ratio,) = record.ratios
    assert (record.kind, ratio.kind, ratio.reference) == ("regressed", "ok", "native-fp32")
    assert ratio.now == pytest.approx(ratio.then)
    assert ratio.change == pytest.approx(1)
    assert record.side_by_side is not None
    assert record.side_by_side.change == pytest.approx(0.9)
    for change in (ratio, record.side_by_side):
        assert None not in {change.change_low, change.change, change.change_high}
        assert (change.change_low or 0) < (change.change or 0) < (change.change_high or 0)
    assert record.changes == (WHEEL_CHANGE,)
    assert record.latency_ratio == pytest.approx(1)
    assert 0.01 < (record.smallest_loss or 0) < 0.05


@pytest.mark.parametrize(
    "verdict",
    [
        judged_side_by_side(-0.1),
        drifted(),
        judged(benchmark(stack=NEW_WHEEL, beside=measured_side_by_side())),
        judged(benchmark(samples={"native-fp32": sample([])})),
        Verdict(CASE, "no-baseline", "why"),
    ],
    ids=["side by side", "drifted", "nothing beside", "disturbed", "no baseline"],
)
def test_every_record_is_plain_json(verdict: Verdict) -> None:
    record = msgspec.to_builtins(verdict.record)
    assert json.loads(json.dumps(record, allow_nan=False)) == json.loads(msgspec.json.encode(verdict.record))


def test_a_missing_estimate_is_a_dash() -> None:
    assert estimate_text(None) == "-"


def test_an_estimate_states_its_number_of_invocations() -> None:
    (ratio,) = judged(benchmark(samples={"native-fp32": sample([math.log(5)])})).ratios
    assert re.fullmatch(r"5\.00 \[4\.\d\d, 5\.\d\d\] \(1 invocation\)", estimate_text(ratio.now))
