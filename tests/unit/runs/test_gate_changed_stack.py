"""Verdicts on cases whose stack is not the baseline's, with and without a baseline arm."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.stack import DECISIVE, REPORTED_ONLY
from tests.support.changed_cases import FASTER, FIELDS, NEW_WHEEL, SAME, SLOWER, VALUES, moved, new_wheel, undecided
from tests.support.factories import (
    CHANGED,
    LOG_SPEEDUPS,
    as_case,
    benchmark,
    document,
    gate,
    int8,
    judged,
    measured_side_by_side,
    native,
    sample,
    stack,
)


@pytest.mark.parametrize(
    ("side_by_side", "kind"),
    [(SAME, "ok"), (SLOWER, "regressed"), (FASTER, "improved"), ([0.1, -0.1], "inconclusive")],
)
@pytest.mark.parametrize("by", [-0.5, 0.0, 0.5])
def test_side_by_side_decides_whatever_the_stored_speedup_is(side_by_side: list[float], kind: str, by: float) -> None:
    verdict = judged(new_wheel(*side_by_side, by=by))
    assert verdict.kind == kind
    assert verdict.side_by_side is not None
    assert verdict.deciding is verdict.side_by_side
    assert verdict.changes == ("wheel: mxnet-mkl==1.5.0 (bbbbbbbbbbbb) -> ./new.whl (dddddddddddd)",)
    assert verdict.reason.endswith(f"; changed: {verdict.changes[0]}")


def test_a_side_by_side_measurement_that_was_entirely_disturbed_is_invalid() -> None:
    verdict = judged(new_wheel())
    assert verdict.kind == "invalid"
    assert verdict.reason.startswith(
        "there is no undisturbed measurement side by side with the baseline's stack; changed: wheel"
    )


def test_a_reference_with_another_stack_is_judged_side_by_side() -> None:
    entry = native(
        stack=stack("native-fp32", wheel="d" * 64), beside=measured_side_by_side(*SLOWER, variant="native-fp32")
    )
    verdict = judged(entry)
    assert (verdict.kind, verdict.ratios) == ("regressed", ())


@given(FIELDS, FIELDS)
def test_a_baseline_arm_counts_if_it_has_a_part_of_the_baselines_stack_that_the_case_lacks(
    changed: set[str], lacking: set[str]
) -> None:
    case, baseline_arm = ({name: CHANGED[name] for name in fields} for fields in (changed, lacking))
    verdict = judged(benchmark(stack=stack(**case), beside=measured_side_by_side(*SLOWER, **baseline_arm)))
    if changed <= lacking or (lacking - changed) & DECISIVE:  # or it had a part that neither run had
        assert (verdict.kind, verdict.side_by_side, verdict.missing) == ("inconclusive", None, ())
    else:
        assert verdict.kind == "regressed"
        assert {line.split(":")[0].split(" ")[0] for line in verdict.missing} == lacking


def test_a_baseline_arm_with_one_of_two_variables_restored_counts() -> None:
    case = stack(variables={"OMP_NUM_THREADS": "1", "KMP_BLOCKTIME": "0"})
    back = {"OMP_NUM_THREADS": "2", "KMP_BLOCKTIME": "0"}
    verdict = judged(benchmark(stack=case, beside=measured_side_by_side(*SLOWER, variables=back)))
    assert (verdict.kind, verdict.missing) == ("regressed", ("variables KMP_BLOCKTIME: not set -> 0",))
    assert (
        judged(benchmark(stack=case, beside=measured_side_by_side(*SLOWER, variables=case["variables"]))).side_by_side
        is None
    )


def test_what_the_baseline_arm_lacked_is_in_the_verdict() -> None:
    assert judged(new_wheel(*SAME)).missing == ()
    verdict = judged(new_wheel(*SAME, threads=1))
    assert (verdict.kind, verdict.missing) == ("ok", ("threads: 2 -> 1",))


@pytest.mark.parametrize("lacking", [{"wheel": "d" * 64}, {"variables": {"OMP_NUM_THREADS": "1"}}])
def test_a_baseline_arm_without_a_decisive_part_makes_no_case_ok(lacking: dict[str, Any]) -> None:
    changed = stack(wheel="d" * 64, variables={"OMP_NUM_THREADS": "1"})
    verdict = judged(benchmark(stack=changed, beside=measured_side_by_side(*SAME, **lacking)))
    assert verdict.kind == "inconclusive"
    assert f"the baseline arm lacked the baseline's {next(iter(lacking))}" in verdict.reason
    assert judged(benchmark(stack=changed, beside=measured_side_by_side(*SLOWER, **lacking))).kind == "regressed"


@pytest.mark.parametrize("foreign", [{"program": "another 0123"}, {"injected": 0.3}, {"wheel": "e" * 64}])
def test_a_baseline_arm_with_a_part_that_neither_run_had_does_not_count(foreign: dict[str, Any]) -> None:
    changed = stack(wheel="d" * 64, threads=1)
    verdict = judged(benchmark(stack=changed, beside=measured_side_by_side(*SAME, **foreign)))
    assert (verdict.kind, verdict.side_by_side) == ("inconclusive", None)


def test_a_case_whose_ratio_is_missing_is_invalid() -> None:
    entry = int8()
    del entry["extra_info"]["samples"]["native-fp32"]
    cases = [as_case(made) for made in (native(), benchmark(), entry)]
    verdict = gate().judged(cases).verdicts[as_case(entry).name]
    assert (verdict.kind, verdict.reason) == ("invalid", "its ratio over native-fp32 is missing")
    alone = int8()
    del alone["extra_info"]["samples"]["mkl-fp32"]
    sliced = [as_case(made) for made in (native(), alone)]
    assert gate().judged(sliced).verdicts[as_case(alone).name].kind == "ok", "mkl-fp32 was not selected"


@pytest.mark.parametrize("measuring", ["0123456789ab", "ba9876543210"])
def test_a_baseline_arm_of_a_case_on_the_baselines_stack_does_not_count(measuring: str) -> None:
    verdict = judged(benchmark(stack=stack(measuring=measuring), beside=measured_side_by_side(*SLOWER, threads=1)))
    assert (verdict.kind, verdict.side_by_side, verdict.missing) == ("ok", None, ())


def test_only_an_inconclusive_side_by_side_measurement_is_undecided() -> None:
    assert undecided(new_wheel(-0.1, 0.07, 0.0)) == pytest.approx(0.01)
    assert undecided(new_wheel(0.1, -0.07, 0.0)) == pytest.approx(-0.01)
    for decided in (SAME, SLOWER, FASTER, []):
        assert undecided(new_wheel(*decided)) is None
    assert undecided(moved(-0.2)) is None, "there is nothing to measure it side by side with"
    assert undecided(new_wheel(-0.1, 0.07, 0.0, wheel="d" * 64)) is None, "its baseline arm ran the same wheel"
    assert undecided(moved(0.0, beside=measured_side_by_side(-0.1, 0.07, 0.0, threads=1))) is None, (
        "it runs what the baseline ran"
    )


@given(FIELDS, st.sampled_from([SAME, SLOWER, FASTER, [-0.1, 0.07]]))
def test_every_difference_is_in_the_reason_of_every_verdict(fields: set[str], side_by_side: list[float]) -> None:
    changed = stack(**{name: CHANGED[name] for name in fields})
    verdict = judged(benchmark(stack=changed, beside=measured_side_by_side(*side_by_side)))
    assert {change.split(":")[0].split(" ")[0] for change in verdict.changes} == fields
    assert all(change in verdict.reason for change in verdict.changes)


@given(FIELDS, VALUES, VALUES, st.sampled_from(["none", "failed", "equal"]))
def test_another_stack_without_a_baseline_arm_is_never_ok(
    fields: set[str], now: list[float], then: list[float], which: str
) -> None:
    changed = stack(**{name: CHANGED[name] for name in fields})
    baseline_arms = {
        "none": None,
        "failed": measured_side_by_side(*SAME, problem="it was killed"),
        "equal": {**measured_side_by_side(*SAME), "stack": changed},
    }
    baseline_arm = baseline_arms[which]
    baseline = document(native(), benchmark(samples={"native-fp32": sample(then)}))
    verdict = judged(
        benchmark(stack=changed, beside=baseline_arm, samples={"native-fp32": sample(now)}), gate(baseline)
    )
    assert verdict.kind in {"inconclusive", "drifted"}
    assert verdict.side_by_side is None
    assert all(change in verdict.reason for change in verdict.changes)


@pytest.mark.parametrize("field", sorted(CHANGED.keys() - REPORTED_ONLY))
def test_a_difference_in_a_field_of_the_build_makes_it_another_stack(field: str) -> None:
    verdict = judged(benchmark(stack=stack(**{field: CHANGED[field]})))
    assert verdict.kind == "inconclusive"
    assert verdict.reason.startswith(
        "the stack changed, and the baseline's stack was not measured side by side; a change of "
    )
    assert f"; changed: {field}" in verdict.reason


@pytest.mark.parametrize("field", sorted(REPORTED_ONLY & CHANGED.keys()))
def test_what_the_machine_brings_is_reported_and_makes_no_other_stack(field: str) -> None:
    changed: dict[str, Any] = {field: CHANGED[field]}
    verdict = judged(
        benchmark(stack=stack(**changed), samples={"native-fp32": sample(LOG_SPEEDUPS, "native-fp32", **changed)})
    )
    assert verdict.kind == "ok"
    assert verdict.reason.startswith("same stack; a drift of ")
    assert f"; changed: {field}" in verdict.reason
    over = judged(benchmark(samples={"native-fp32": sample(LOG_SPEEDUPS, "native-fp32", **changed)}))
    assert over.kind == "ok"
    assert f"; changed: native-fp32: {field}" in over.reason
    drifted = judged(moved(-0.5, stack=stack(**changed)))
    assert drifted.kind == "drifted"
    assert f"; changed: {field}" in drifted.reason


def test_another_stack_far_from_the_stored_speedup_is_drifted() -> None:
    verdict = judged(moved(-0.2, stack=NEW_WHEEL))
    assert verdict.kind == "drifted"
    assert "the machine or the build may be the cause; over" in verdict.reason
    assert "changed: wheel" in verdict.reason


def test_the_failure_of_the_baseline_arm_is_in_the_reason() -> None:
    verdict = judged(new_wheel(problem="it was killed"))
    assert (verdict.kind, verdict.side_by_side) == ("inconclusive", None)
    assert "was not measured side by side (it was killed)" in verdict.reason


def test_a_reference_with_another_stack_and_no_baseline_arm_is_inconclusive() -> None:
    verdict = judged(native(stack=stack("native-fp32", threads=1)))
    assert (verdict.kind, verdict.ratios) == ("inconclusive", ())
    assert "threads: 2 -> 1" in verdict.reason
