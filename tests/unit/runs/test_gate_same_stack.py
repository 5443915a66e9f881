"""Verdicts on cases that run the baseline's stack, or differ from it only in the measuring code."""

from typing import Any

import pytest
from hypothesis import given

from perf.stack import REPORTED_ONLY
from tests.support.changed_cases import VALUES, has_no_verdict, int8_moved, moved, smallest_loss
from tests.support.factories import (
    CASE,
    CHANGED,
    LOG_SPEEDUPS,
    SPEEDUP,
    benchmark,
    document,
    gate,
    judged,
    native,
    sample,
    sessions_with,
    stack,
)


def test_the_same_stack_is_ok_and_states_the_smallest_drift_that_would_be_detected() -> None:
    verdict = judged(benchmark())
    assert (verdict.kind, verdict.changes, verdict.side_by_side) == ("ok", (), None)
    assert verdict.reason == f"same stack; a drift of {smallest_loss(verdict):.1%} or more would have been detected"


@pytest.mark.parametrize("by", [-0.2, 0.2])
def test_the_same_stack_far_from_its_stored_speedup_is_drifted(by: float) -> None:
    verdict = judged(moved(by))
    (ratio,) = verdict.ratios
    assert verdict.kind == ratio.judgement.kind == "drifted"
    assert verdict.reason.startswith("same stack, over 99.999 % confidence that it changed, ")
    assert ratio.now is not None
    assert ratio.then is not None
    assert ratio.now.speedup == pytest.approx((1 + by) * ratio.then.speedup)
    assert ratio.then.speedup == pytest.approx(SPEEDUP)


def test_a_drift_names_the_settings_that_changed() -> None:
    verdict = judged(moved(-0.2), gate(settings={"kernel": "6.2.0", "governor": "performance", "turbo": "off"}))
    assert verdict.reason.endswith("; changed: kernel: 6.1.0 -> 6.2.0; turbo: not recorded -> off")


def test_a_drift_states_that_no_recorded_setting_changed() -> None:
    assert judged(moved(-0.2)).reason.endswith("; changed: no recorded machine setting")


def test_a_change_within_the_variance_between_sessions_is_no_drift() -> None:
    noisy = gate(sessions=sessions_with(0.1))
    assert judged(moved(-0.2), noisy).kind == "ok"


def test_the_stored_sessions_of_a_ratio_widen_its_variance() -> None:
    noisy = gate(sessions=sessions_with(0.01, {(CASE, "native-fp32"): [1.3, 1.6, 1.9] * 4}))
    assert judged(moved(-0.2), noisy).kind == "ok"
    elsewhere = gate(sessions=sessions_with(0.01, {(CASE, "mkl-fp32"): [1.3, 1.6, 1.9] * 4}))
    assert judged(moved(-0.2), elsewhere).kind == "drifted"


@given(VALUES, VALUES)
def test_the_same_stack_is_never_inconclusive(now: list[float], then: list[float]) -> None:
    baseline = document(native(), benchmark(samples={"native-fp32": sample(then)}))
    kind = judged(benchmark(samples={"native-fp32": sample(now)}), gate(baseline)).kind
    assert kind in ({"ok", "drifted"} if now and then else {"invalid", "no-baseline"})


def test_a_baseline_without_undisturbed_invocations_is_no_baseline() -> None:
    verdict = judged(benchmark(), gate(document(benchmark(samples={"native-fp32": sample([])}))))
    assert (verdict.kind, verdict.reason) == ("no-baseline", "the baseline has no undisturbed measurement of it")


def test_a_case_whose_invocations_were_all_disturbed_is_invalid() -> None:
    verdict = judged(benchmark(samples={"native-fp32": sample([])}, invocations_disturbed=4))
    assert verdict.kind == "invalid"
    assert "every invocation was disturbed by other programs or the hypervisor (4 invocations)" in verdict.reason


@pytest.mark.parametrize("field", sorted(CHANGED.keys() - REPORTED_ONLY))
def test_a_speedup_over_another_reference_stack_is_invalid_and_names_the_difference(field: str) -> None:
    verdict = judged(benchmark(samples={"native-fp32": sample(LOG_SPEEDUPS, **{field: CHANGED[field]})}))
    assert (verdict.kind, verdict.ratios) == ("invalid", ())
    assert verdict.reason.startswith(
        f"it was measured against another stack of its reference than the baseline's; changed: native-fp32: {field}"
    )


def test_a_speedup_over_another_variant_is_invalid() -> None:
    verdict = judged(benchmark(samples={"mkl-int8": sample(LOG_SPEEDUPS, "mkl-int8")}))
    assert (verdict.kind, verdict.reason) == (
        "invalid",
        "it was measured against another reference variant than the baseline's",
    )


def test_a_ratio_over_another_reference_stack_is_left_out_and_the_other_ratio_counts() -> None:
    entry = int8_moved(-0.2, 0.0)
    entry["extra_info"]["samples"]["mkl-fp32"]["over"]["threads"] = 1
    verdict = judged(entry)
    assert verdict.kind == "drifted"
    assert [ratio.reference for ratio in verdict.ratios] == ["native-fp32"]
    assert verdict.changes == ("mkl-fp32: threads: 2 -> 1",)
    assert "mkl-fp32: threads: 2 -> 1" in verdict.reason


def test_a_case_that_lost_its_speedups_is_invalid() -> None:
    verdict = judged(benchmark(samples={}))
    assert (verdict.kind, verdict.reason) == ("invalid", "it has no speedup, but the baseline has one")


def test_int8_is_judged_over_both_references_and_the_gravest_counts() -> None:
    assert judged(int8_moved(0, 0)).kind == "ok"
    both = judged(int8_moved(-0.2, -0.2))
    assert [ratio.judgement.kind for ratio in both.ratios] == ["drifted", "drifted"]
    one = judged(int8_moved(-0.2, 0))
    assert one.kind == "drifted"
    assert [ratio.judgement.kind for ratio in one.ratios] == ["drifted", "ok"]


def test_a_reference_on_the_baselines_stack_needs_no_verdict() -> None:
    assert has_no_verdict(native())
    assert has_no_verdict(native("resnet50_v1-b2"))


def test_a_difference_in_the_measuring_code_alone_is_reported_and_judged_as_the_same_stack() -> None:
    change = "measuring: 0123456789ab -> ba9876543210"
    same = judged(benchmark(stack=stack(measuring="ba9876543210")))
    assert (same.kind, same.changes) == ("ok", (change,))
    assert same.reason.startswith("same stack; ")
    assert same.reason.endswith(f"; changed: {change}")
    slow = judged(moved(-0.2, stack=stack(measuring="ba9876543210")))
    assert (slow.kind, slow.changes) == ("drifted", (change,))
    assert slow.reason.endswith(f"; changed: {change}")
    other = gate(settings={"kernel": "6.2.0", "governor": "performance"})
    slow = judged(moved(-0.2, stack=stack(measuring="ba9876543210")), other)
    assert slow.reason.endswith(f"; changed: {change}; kernel: 6.1.0 -> 6.2.0")


@pytest.mark.parametrize("over", [sample([]), sample(LOG_SPEEDUPS, threads=1)], ids=["disturbed", "other reference"])
def test_a_difference_in_the_measuring_code_is_reported_for_an_invalid_case_too(over: dict[str, Any]) -> None:
    entry = benchmark(stack=stack(measuring="ba9876543210"), samples={"native-fp32": over}, invocations_disturbed=3)
    verdict = judged(entry)
    assert verdict.kind == "invalid"
    assert "; changed: measuring: 0123456789ab -> ba9876543210" in verdict.reason


def test_other_measuring_code_does_not_make_it_another_reference() -> None:
    assert judged(benchmark(samples={"native-fp32": sample(LOG_SPEEDUPS, measuring="ba9876543210")})).kind == "ok"


def test_the_requirement_of_the_same_wheel_may_change() -> None:
    verdict = judged(benchmark(stack=stack(requirement="./mxnet_mkl-1.5.0.whl")))
    assert (verdict.kind, verdict.changes) == ("ok", ())
