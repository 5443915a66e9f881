"""What is said of verdicts: every figure that was judged, nothing left out, on consoles of any width."""

import math
import re
from io import StringIO
from typing import Any

import msgspec
import pytest
from rich.console import Console

from perf.judge.verdict import Tolerance
from perf.report.verdicts import estimate_text, print_verdicts, verdict_lines, verdict_record
from perf.runs.document import Case
from perf.runs.gate import Gate, Verdict, comparisons_of
from perf.runs.tolerances import Tolerances
from tests.runs.made import FIRST, as_run, benchmark, document

TOLERANCES = Tolerances(default=Tolerance(0.02, 0.05), published=Tolerance(0.25, 0.5))
CASE = "resnet50_v1-b1-mkl-fp32"
WHEELS = {
    "native": {"requirement": "mxnet==1.5.0", "record_sha256": "a" * 64},
    "mkl": {"requirement": "./new.whl", "record_sha256": "d" * 64},
}
COMMAND = "uv run pytest 'perf/cnn/test_inference.py::test_inference[resnet50_v1-b1-mkl-fp32]'"


def gate(**context: Any) -> Gate:
    baseline = as_run(document())
    return Gate(
        "0003_x.json", baseline, as_run(document(**context)).perf, TOLERANCES, comparisons_of(baseline.cases, baseline)
    )


def verdict(by: float, workload: str = "resnet50_v1-b1", *, found: Gate | None = None) -> Verdict:
    """The verdict on a case whose speedup was multiplied by 1 + `by`, and measured again."""
    first = [value + math.log1p(by) for value in FIRST]
    samples = {"native-fp32": {"first": first, "again": first * 4}}
    return (found or gate()).verdict(msgspec.convert(benchmark(workload, samples=samples)["extra_info"], Case))


def printed(verdicts: list[Verdict], selected: list[str], width: int = 120, found: Gate | None = None) -> str:
    out = StringIO()
    print_verdicts(verdicts, found, selected, Console(file=out, width=width))
    return out.getvalue()


def test_a_regression_says_what_a_person_needs_in_ten_seconds() -> None:
    found = gate(settings={"kernel": "6.2.0", "governor": "performance"}, wheels=WHEELS)
    lines = verdict_lines(verdict(-0.1, found=found), found, COMMAND)
    text = "\n".join(lines)
    assert lines[0].startswith(f"{CASE}: regressed by 10.0%: sure at over 99.999 %")
    assert "over native-fp32: now 4.46 [" in text
    assert "(15 invocations), then 4.95 [" in text
    assert "change -10.0% [" in text
    assert "baseline: 0003_x.json, 9 comparisons in this run" in text
    assert "changed since then: kernel: 6.1.0 -> 6.2.0" in text
    assert "changed since then: wheel of mkl: mxnet-mkl==1.5.0 (bbbbbbbbbbbb) -> ./new.whl (dddddddddddd)" in text
    assert lines[-1] == f"  alone: {COMMAND}"
    assert len(lines) <= 12


def test_latency_is_told_of_the_same_machine() -> None:
    assert any("told, not judged" in line for line in verdict_lines(verdict(0), gate(), COMMAND))


def test_an_inconclusive_case_says_what_would_settle_it() -> None:
    unsure = gate().verdict(
        msgspec.convert(benchmark(samples={"native-fp32": {"first": [1.5, 1.7], "again": []}})["extra_info"], Case)
    )
    assert unsure.kind == "inconclusive"
    told = "\n".join(verdict_lines(unsure, gate(), COMMAND))
    assert "--perf-invocations=" in told or "the baseline has too few" in told


@pytest.mark.parametrize("width", [60, 80, 120])
def test_every_case_that_is_not_ok_is_in_the_table(width: int) -> None:
    verdicts = [verdict(0), verdict(-0.1, "resnet18_v1-b1"), verdict(0.2, "squeezenet1.0-b1")]
    text = printed(verdicts, [v.case for v in verdicts], width, gate())
    assert {"resnet18_v1-b1-mkl-fp32", "squeezenet1.0-b1-mkl-fp32"} <= set(re.findall(r"[\w.]+-b1-mkl-fp32", text))
    assert "regressed: sure at " in text
    assert ": 1 case: resnet18_v1-b1-mkl-fp32" in text
    assert "Verdicts: 1 regressed, 1 improved, 1 ok." in " ".join(text.split())


def test_cases_without_a_baseline_and_without_a_run_are_listed() -> None:
    missing = [
        Verdict(name, "no-baseline", "0003_x.json does not hold it") for name in ("a-b1-mkl-fp32", "b-b1-mkl-fp32")
    ]
    text = printed(missing, [CASE, *(v.case for v in missing)], found=gate())
    assert "no-baseline: 0003_x.json does not hold it: 2 cases: a-b1-mkl-fp32, b-b1-mkl-fp32" in text
    assert "Only in the baseline: 8 cases: " in text
    assert CASE not in text


def test_the_record_holds_the_printed_figures() -> None:
    found = verdict(-0.1)
    record = verdict_record(found)
    (ratio,) = record["ratios"]
    assert (record["kind"], ratio["kind"], ratio["reference"]) == ("regressed", "regressed", "native-fp32")
    assert ratio["now"] == pytest.approx(0.9 * ratio["then"])
    assert ratio["change"] == pytest.approx(0.9)
    assert ratio["change_low"] < ratio["change"] < ratio["change_high"]


def test_no_estimate_is_a_dash() -> None:
    assert estimate_text(None) == "-"
