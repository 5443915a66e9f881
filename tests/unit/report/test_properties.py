"""The properties of an item, which JUnit XML and other reporters show."""

import json
import math

import pytest

from perf.report.properties import properties_of
from perf.runs.judges import NoBaseline
from perf.runs.verdict import Verdict
from tests.support.changed_cases import int8_moved
from tests.support.factories import CASE, gate, judged
from tests.unit.report.made_verdicts import drifted, judged_side_by_side
from tests.unit.report.records import FP32, INT8, NATIVE, ratio, trained


def test_a_judged_case_has_its_verdict_ratio_baseline_and_change() -> None:
    verdict = judged_side_by_side(-0.1)
    properties = dict(properties_of(FP32, verdict, gate()))
    assert properties["perf_verdict"] == "regressed"
    assert properties["perf_reason"] == verdict.reason
    assert properties["perf_baseline"] == "0001_a.json"
    assert properties["perf_speedup"] == pytest.approx(15.554)
    assert (properties["perf_speedup_low"], properties["perf_speedup_high"]) == (15.554 * 0.9, 15.554 * 1.1)
    assert properties["perf_baseline_speedup"] == pytest.approx(5.0, rel=0.01)
    record = verdict.record.side_by_side
    assert record is not None
    names = ("perf_change", "perf_change_low", "perf_change_high")
    assert [properties[name] for name in names] == [record.change, record.change_low, record.change_high]


def test_a_drift_has_the_change_of_its_first_ratio() -> None:
    assert dict(properties_of(FP32, drifted(), gate()))["perf_change"] == pytest.approx(0.8)


def test_a_drift_over_another_variant_has_that_change_and_the_baselines_speedup_over_the_reference() -> None:
    """INT8 is compared over native-fp32 and over mkl-fp32; here only the second one moved."""
    properties = dict(properties_of(INT8, judged(int8_moved(0, -0.2)), gate()))
    assert properties["perf_verdict"] == "drifted"
    assert properties["perf_change"] == pytest.approx(0.8)
    assert properties["perf_baseline_speedup"] == pytest.approx(math.exp(2.81), rel=0.01)


def test_another_reference_than_the_speedups_gives_no_speedup_of_the_baseline() -> None:
    """The reference has another wheel, so only the ratio over mkl-fp32 could be compared."""
    case = int8_moved(0, 0)
    case["extra_info"]["samples"]["native-fp32"]["over"] |= {"wheel": "d" * 64}
    verdict = judged(case)
    assert [ratio.reference for ratio in verdict.ratios] == ["mkl-fp32"]
    assert "perf_baseline_speedup" not in dict(properties_of(INT8, verdict, gate()))


def test_training_has_its_scaling_efficiency() -> None:
    properties = dict(properties_of(trained(2, ratio(0.5)), None, NoBaseline()))
    assert properties["perf_efficiency"] == pytest.approx(0.5)
    assert "perf_speedup" not in properties


def test_what_was_not_judged_says_so() -> None:
    assert properties_of(NATIVE, None, gate()) == [("perf_verdict", "not judged"), ("perf_baseline", "0001_a.json")]
    assert properties_of(None, None, NoBaseline()) == [("perf_verdict", "not judged")]
    refused = Verdict(CASE, "invalid", "wrong answers")
    assert dict(properties_of(None, refused, NoBaseline())) == {
        "perf_verdict": "invalid",
        "perf_reason": "wrong answers",
    }


def test_properties_are_plain_values_that_a_report_can_carry() -> None:
    properties = properties_of(FP32, judged_side_by_side(-0.1), gate())
    assert json.loads(json.dumps(properties, allow_nan=False)) == [list(entry) for entry in properties]
