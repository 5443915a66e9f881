"""Verdicts: which ones fail a case, and which one decides."""

from perf.runs.verdict import FAILING, GRAVITY, UNJUDGED, Verdict, fails
from tests.support.changed_cases import int8_moved
from tests.support.factories import (
    CASE,
    judged,
)


def test_strict_fails_every_case_that_was_not_judged() -> None:
    assert {kind for kind in GRAVITY if fails(kind, strict=False)} == {"regressed", "drifted"}
    assert {kind for kind in GRAVITY if fails(kind, strict=True)} == {"regressed", "drifted", *UNJUDGED}


def test_a_failing_verdict_is_graver_than_any_other() -> None:
    assert set(GRAVITY[-2:]) == FAILING
    assert GRAVITY[0] == "ok"


def test_without_a_baseline_arm_the_gravest_ratio_decides_and_the_first_among_equals() -> None:
    verdict = judged(int8_moved(0, 0))
    assert verdict.deciding is verdict.ratios[0].judgement
    lost_over_fp32 = judged(int8_moved(0, -0.2))
    assert lost_over_fp32.kind == "drifted"
    assert lost_over_fp32.deciding is lost_over_fp32.ratios[1].judgement
    assert lost_over_fp32.record.smallest_loss == lost_over_fp32.ratios[1].judgement.smallest_loss
    assert Verdict(CASE, "no-baseline", "").deciding is None
