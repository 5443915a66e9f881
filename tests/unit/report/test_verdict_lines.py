"""What is said of one failing case, and stored of every verdict."""

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
    beside_baseline,
    gate,
    int8,
    judged,
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


def test_a_regression_says_what_a_person_needs_in_ten_seconds() -> None:
    lines = verdict_lines(judged_side_by_side(-0.1), gate(settings=SETTINGS), COMMAND)
    text = "\n".join(lines)
    assert lines[0].startswith(f"{CASE}: regressed by 10.0%: sure at over 99.999 %")
    assert lines[1].startswith("  side by side with the baseline's stack: -10.0% [-10.")
    assert "over native-fp32: now 5.00 [" in text
    assert "(3 invocations), then 5.00 [" in text
    assert "    change, with the variance between sessions: +0.0% [" in text
    assert "  baseline: 0001_a.json, 12 comparisons in this run" in lines
    assert f"  changed: {WHEEL_CHANGE}" in lines
    assert "  changed: kernel: 6.1.0 -> 6.2.0" in lines
    assert lines[-1] == f"  alone: {COMMAND}"
    assert len(lines) <= 12


def test_a_drift_says_by_how_much_and_what_changed_of_the_machine() -> None:
    at = gate(settings=SETTINGS)
    lines = verdict_lines(drifted(at=at), at, COMMAND)
    assert lines[0].startswith(f"{CASE}: drifted by 20.0%: same stack, sure at ")
    assert lines[0].endswith("; changed: kernel: 6.1.0 -> 6.2.0")
    assert not any("side by side" in line for line in lines)


def test_a_difference_in_the_measuring_code_is_shown_with_a_drift() -> None:
    verdict = drifted(stack=stack(measuring="ba9876543210"))
    assert "  changed: measuring: 0123456789ab -> ba9876543210" in verdict_lines(verdict, gate(), COMMAND)


def test_what_the_twin_could_not_have_is_shown() -> None:
    lines = verdict_lines(judged_side_by_side(-0.1, threads=1), gate(), COMMAND)
    assert lines[2] == "    except that it had threads: 2 -> 1"


def test_both_ratios_of_int8_are_shown() -> None:
    lines = verdict_lines(judged(int8(over_native=2.6)), gate(), COMMAND)
    assert [line.split(":")[0] for line in lines if line.startswith("  over")] == [
        "  over native-fp32",
        "  over mkl-fp32",
    ]


def test_latency_is_shown_of_the_same_machine_only() -> None:
    line = "  latency now over then, on this same machine: 1.000 (not judged)"
    assert line in verdict_lines(drifted(), gate(), COMMAND)
    other = gate(host_id="another")
    assert not any("latency" in line for line in verdict_lines(drifted(at=other), other, COMMAND))


def test_a_case_without_a_gate_has_its_reason_and_command() -> None:
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
        judged(benchmark(stack=NEW_WHEEL, beside=beside_baseline())),
        judged(benchmark(samples={"native-fp32": sample([])})),
        Verdict(CASE, "no-baseline", "why"),
    ],
    ids=["side by side", "drifted", "nothing beside", "disturbed", "no baseline"],
)
def test_every_record_is_plain_json(verdict: Verdict) -> None:
    record = msgspec.to_builtins(verdict.record)
    assert json.loads(json.dumps(record, allow_nan=False)) == json.loads(msgspec.json.encode(verdict.record))


def test_no_estimate_is_a_dash() -> None:
    assert estimate_text(None) == "-"


def test_an_estimate_says_how_much_it_rests_on() -> None:
    (ratio,) = judged(benchmark(samples={"native-fp32": sample([math.log(5)])})).ratios
    assert re.fullmatch(r"5\.00 \[4\.\d\d, 5\.\d\d\] \(1 invocation\)", estimate_text(ratio.now))
