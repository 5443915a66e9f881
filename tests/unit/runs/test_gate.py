"""Verdicts on whole cases: which question is asked, which ratio counts, and what is said of the differences."""

import math
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.judge.variance_prior import VariancePrior
from perf.runs.gate import Gate, comparisons_of
from perf.runs.tolerances import AssumedDeviations
from perf.runs.variances import Priors, priors_of
from perf.runs.verdict import FAILING, GRAVITY, UNJUDGED, Verdict, fails
from perf.stack import DECISIVE
from tests.support.factories import (
    CASE,
    CHANGED,
    LOG_SPEEDUPS,
    SPEEDUP,
    TOLERANCES,
    as_case,
    as_run,
    benchmark,
    beside_baseline,
    document,
    gate,
    int8,
    judged,
    native,
    sample,
    sessions_with,
    stack,
)

VALUES = st.lists(st.integers(-500_000, 500_000).map(lambda millionths: 1.6 + millionths / 1e6), max_size=6)
FIELDS = st.sets(st.sampled_from(sorted(CHANGED)), min_size=1)
ASSUMED = Priors(VariancePrior(0.01**2, 10), VariancePrior(0.005**2, 10))
NEW_WHEEL = stack(wheel="d" * 64, requirement="./new.whl")
SAME, SLOWER, FASTER = (
    [by + scatter for scatter in (0.001, -0.002, 0.0, 0.001, 0.0)] for by in (0.0, math.log(0.9), math.log(1.1))
)


def moved(by: float, **figures: Any) -> dict[str, Any]:
    """mkl-fp32 after its speedup was multiplied by 1 + `by`."""
    values = [value + math.log1p(by) for value in LOG_SPEEDUPS]
    return benchmark(samples={"native-fp32": sample(values)}, **figures)


def new_wheel(*side_by_side: float, by: float = 0.0, **baseline_arm: Any) -> dict[str, Any]:
    """mkl-fp32 with another wheel than the baseline's, measured side by side with the baseline's stack."""
    return moved(by, stack=NEW_WHEEL, beside=beside_baseline(*side_by_side, **baseline_arm))


def int8_moved(over_native: float, over_fp32: float) -> dict[str, Any]:
    return int8(over_native=2.8 + math.log1p(over_native), over_fp32=1.2 + math.log1p(over_fp32))


def undecided(entry: dict[str, Any], at: Gate | None = None) -> float | None:
    at, case = at or gate(), as_case(entry)
    return at.undecided(case, priors_of([case], at.tolerances))


def smallest_loss(verdict: Verdict) -> float:
    assert verdict.deciding is not None
    assert verdict.deciding.smallest_loss is not None
    return verdict.deciding.smallest_loss


def nothing_said(entry: dict[str, Any]) -> bool:
    case = as_case(entry)
    return gate().verdict(case, priors_of([case], TOLERANCES)) is None


# The same stack


def test_the_same_stack_is_ok_and_says_which_drift_would_have_been_seen() -> None:
    verdict = judged(benchmark())
    assert (verdict.kind, verdict.changes, verdict.side_by_side) == ("ok", (), None)
    assert verdict.reason == f"same stack; a drift of {smallest_loss(verdict):.1%} or more would have been seen"


@pytest.mark.parametrize("by", [-0.2, 0.2])
def test_the_same_stack_far_from_its_stored_speedup_has_drifted(by: float) -> None:
    verdict = judged(moved(by))
    (ratio,) = verdict.ratios
    assert verdict.kind == ratio.judgement.kind == "drifted"
    assert verdict.reason.startswith("same stack, sure at ")
    assert ratio.now is not None
    assert ratio.then is not None
    assert ratio.now.speedup == pytest.approx((1 + by) * ratio.then.speedup)
    assert ratio.then.speedup == pytest.approx(SPEEDUP)


def test_drifted_names_the_settings_that_changed() -> None:
    verdict = judged(moved(-0.2), gate(settings={"kernel": "6.2.0", "governor": "performance", "turbo": "off"}))
    assert verdict.reason.endswith("; changed: kernel: 6.1.0 -> 6.2.0; turbo: not there -> off")


def test_drifted_says_so_when_no_recorded_setting_changed() -> None:
    assert judged(moved(-0.2)).reason.endswith("; changed: none of the machine's settings that are recorded")


def test_what_sessions_vary_by_is_no_drift() -> None:
    noisy = gate(sessions=sessions_with(0.1))
    assert judged(moved(-0.2), noisy).kind == "ok"


def test_the_sessions_of_a_ratio_itself_count() -> None:
    noisy = gate(sessions=sessions_with(0.01, {(CASE, "native-fp32"): [1.3, 1.6, 1.9] * 4}))
    assert judged(moved(-0.2), noisy).kind == "ok"
    elsewhere = gate(sessions=sessions_with(0.01, {(CASE, "mkl-fp32"): [1.3, 1.6, 1.9] * 4}))
    assert judged(moved(-0.2), elsewhere).kind == "drifted"


@given(VALUES, VALUES)
def test_the_same_stack_is_never_inconclusive(now: list[float], then: list[float]) -> None:
    baseline = document(native(), benchmark(samples={"native-fp32": sample(then)}))
    kind = judged(benchmark(samples={"native-fp32": sample(now)}), gate(baseline)).kind
    assert kind in ({"ok", "drifted"} if now and then else {"invalid", "no-baseline"})


def test_a_baseline_without_undisturbed_invocations_is_none() -> None:
    verdict = judged(benchmark(), gate(document(benchmark(samples={"native-fp32": sample([])}))))
    assert (verdict.kind, verdict.reason) == ("no-baseline", "the baseline has no undisturbed measurement of it")


def test_a_case_whose_invocations_were_all_disturbed_is_invalid() -> None:
    verdict = judged(benchmark(samples={"native-fp32": sample([])}, invocations_disturbed=4))
    assert verdict.kind == "invalid"
    assert "disturbed all 4 invocations" in verdict.reason


@pytest.mark.parametrize("field", sorted(CHANGED))
def test_a_speedup_over_another_reference_stack_is_invalid_and_names_the_difference(field: str) -> None:
    verdict = judged(benchmark(samples={"native-fp32": sample(LOG_SPEEDUPS, **{field: CHANGED[field]})}))
    assert (verdict.kind, verdict.ratios) == ("invalid", ())
    assert verdict.reason.startswith(f"measured over another reference; changed: native-fp32: {field}")


def test_a_speedup_over_another_variant_is_invalid() -> None:
    verdict = judged(benchmark(samples={"mkl-int8": sample(LOG_SPEEDUPS, "mkl-int8")}))
    assert (verdict.kind, verdict.reason) == ("invalid", "its reference is another variant")


def test_the_ratio_over_another_reference_stack_is_left_out_and_the_other_one_counts() -> None:
    entry = int8_moved(-0.2, 0.0)
    entry["extra_info"]["samples"]["mkl-fp32"]["over"]["threads"] = 1
    verdict = judged(entry)
    assert verdict.kind == "drifted"
    assert [ratio.reference for ratio in verdict.ratios] == ["native-fp32"]
    assert verdict.changes == ("mkl-fp32: threads: 2 -> 1",)
    assert "mkl-fp32: threads: 2 -> 1" in verdict.reason


def test_a_case_whose_speedups_are_gone_is_no_reference() -> None:
    verdict = judged(benchmark(samples={}))
    assert (verdict.kind, verdict.reason) == ("invalid", "it has no speedups, and the baseline has")


def test_int8_is_judged_over_both_references_and_the_gravest_counts() -> None:
    assert judged(int8_moved(0, 0)).kind == "ok"
    both = judged(int8_moved(-0.2, -0.2))
    assert [ratio.judgement.kind for ratio in both.ratios] == ["drifted", "drifted"]
    one = judged(int8_moved(-0.2, 0))
    assert one.kind == "drifted"
    assert [ratio.judgement.kind for ratio in one.ratios] == ["drifted", "ok"]


def test_a_reference_on_the_baselines_stack_needs_no_verdict() -> None:
    assert nothing_said(native())
    assert nothing_said(native("resnet50_v1-b2"))


# The code that measures


def test_a_difference_only_in_the_measuring_code_is_judged_as_the_same_stack_and_reported() -> None:
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
def test_a_difference_in_the_measuring_code_is_reported_of_an_invalid_case_too(over: dict[str, Any]) -> None:
    entry = benchmark(stack=stack(measuring="ba9876543210"), samples={"native-fp32": over}, invocations_disturbed=3)
    verdict = judged(entry)
    assert verdict.kind == "invalid"
    assert "; changed: measuring: 0123456789ab -> ba9876543210" in verdict.reason


def test_other_measuring_code_of_the_reference_is_no_other_reference() -> None:
    assert judged(benchmark(samples={"native-fp32": sample(LOG_SPEEDUPS, measuring="ba9876543210")})).kind == "ok"


def test_the_requirement_of_the_same_wheel_may_change() -> None:
    verdict = judged(benchmark(stack=stack(requirement="./mxnet_mkl-1.5.0.whl")))
    assert (verdict.kind, verdict.changes) == ("ok", ())


# Another stack, side by side with the baseline's


@pytest.mark.parametrize(
    ("side_by_side", "kind"),
    [(SAME, "ok"), (SLOWER, "regressed"), (FASTER, "improved"), ([0.1, -0.1], "inconclusive")],
)
@pytest.mark.parametrize("by", [-0.5, 0.0, 0.5])
def test_side_by_side_counts_whatever_the_stored_speedup_says(side_by_side: list[float], kind: str, by: float) -> None:
    verdict = judged(new_wheel(*side_by_side, by=by))
    assert verdict.kind == kind
    assert verdict.side_by_side is not None
    assert verdict.deciding is verdict.side_by_side
    assert verdict.changes == ("wheel: mxnet-mkl==1.5.0 (bbbbbbbbbbbb) -> ./new.whl (dddddddddddd)",)
    assert verdict.reason.endswith(f"; changed: {verdict.changes[0]}")


def test_a_side_by_side_measurement_that_was_all_disturbed_is_invalid() -> None:
    verdict = judged(new_wheel())
    assert verdict.kind == "invalid"
    assert verdict.reason.startswith("nothing undisturbed was measured side by side; changed: wheel")


def test_a_reference_with_another_stack_is_judged_side_by_side() -> None:
    entry = native(stack=stack("native-fp32", wheel="d" * 64), beside=beside_baseline(*SLOWER, variant="native-fp32"))
    verdict = judged(entry)
    assert (verdict.kind, verdict.ratios) == ("regressed", ())


@given(FIELDS, FIELDS)
def test_a_twin_counts_where_it_has_something_of_the_baselines_stack_that_the_case_has_not(
    changed: set[str], lacking: set[str]
) -> None:
    case, baseline_arm = ({name: CHANGED[name] for name in fields} for fields in (changed, lacking))
    verdict = judged(benchmark(stack=stack(**case), beside=beside_baseline(*SLOWER, **baseline_arm)))
    if changed <= lacking or (lacking - changed) & DECISIVE:  # or it had what neither run had
        assert (verdict.kind, verdict.side_by_side, verdict.missing) == ("inconclusive", None, ())
    else:
        assert verdict.kind == "regressed"
        assert {line.split(":")[0].split(" ")[0] for line in verdict.missing} == lacking


def test_a_twin_counts_that_has_one_of_the_variables_back() -> None:
    case = stack(variables={"OMP_NUM_THREADS": "1", "KMP_BLOCKTIME": "0"})
    back = {"OMP_NUM_THREADS": "2", "KMP_BLOCKTIME": "0"}
    verdict = judged(benchmark(stack=case, beside=beside_baseline(*SLOWER, variables=back)))
    assert (verdict.kind, verdict.missing) == ("regressed", ("variables KMP_BLOCKTIME: not set -> 0",))
    assert (
        judged(benchmark(stack=case, beside=beside_baseline(*SLOWER, variables=case["variables"]))).side_by_side is None
    )


def test_what_the_twin_lacked_of_the_baselines_stack_is_kept() -> None:
    assert judged(new_wheel(*SAME)).missing == ()
    verdict = judged(new_wheel(*SAME, threads=1))
    assert (verdict.kind, verdict.missing) == ("ok", ("threads: 2 -> 1",))


@pytest.mark.parametrize("lacking", [{"wheel": "d" * 64}, {"variables": {"OMP_NUM_THREADS": "1"}}])
def test_a_twin_that_lacks_what_decides_does_not_make_it_ok(lacking: dict[str, Any]) -> None:
    changed = stack(wheel="d" * 64, variables={"OMP_NUM_THREADS": "1"})
    verdict = judged(benchmark(stack=changed, beside=beside_baseline(*SAME, **lacking)))
    assert verdict.kind == "inconclusive"
    assert f"what ran beside it lacked {next(iter(lacking))}" in verdict.reason
    assert judged(benchmark(stack=changed, beside=beside_baseline(*SLOWER, **lacking))).kind == "regressed"


@pytest.mark.parametrize("foreign", [{"program": "another 0123"}, {"injected": 0.3}, {"wheel": "e" * 64}])
def test_a_twin_with_what_neither_run_had_does_not_count(foreign: dict[str, Any]) -> None:
    changed = stack(wheel="d" * 64, threads=1)
    verdict = judged(benchmark(stack=changed, beside=beside_baseline(*SAME, **foreign)))
    assert (verdict.kind, verdict.side_by_side) == ("inconclusive", None)


def test_a_ratio_that_is_gone_is_no_case_that_is_ok() -> None:
    entry = int8()
    del entry["extra_info"]["samples"]["native-fp32"]
    cases = [as_case(made) for made in (native(), benchmark(), entry)]
    found = gate().judged(cases).verdicts[as_case(entry).name]
    assert (found.kind, found.reason) == ("invalid", "its ratio over native-fp32 is gone")
    alone = int8()
    del alone["extra_info"]["samples"]["mkl-fp32"]
    sliced = [as_case(made) for made in (native(), alone)]
    assert gate().judged(sliced).verdicts[as_case(alone).name].kind == "ok", "mkl-fp32 was not selected"


@pytest.mark.parametrize("measuring", ["0123456789ab", "ba9876543210"])
def test_a_twin_of_a_case_on_the_baselines_stack_does_not_count(measuring: str) -> None:
    verdict = judged(benchmark(stack=stack(measuring=measuring), beside=beside_baseline(*SLOWER, threads=1)))
    assert (verdict.kind, verdict.side_by_side, verdict.missing) == ("ok", None, ())


def test_only_what_side_by_side_left_open_is_undecided() -> None:
    assert undecided(new_wheel(-0.1, 0.07, 0.0)) == pytest.approx(0.01)
    assert undecided(new_wheel(0.1, -0.07, 0.0)) == pytest.approx(-0.01)
    for decided in (SAME, SLOWER, FASTER, []):
        assert undecided(new_wheel(*decided)) is None
    assert undecided(moved(-0.2)) is None, "there is nothing to measure it side by side with"
    assert undecided(new_wheel(-0.1, 0.07, 0.0, wheel="d" * 64)) is None, "its twin ran the same wheel"
    assert undecided(moved(0.0, beside=beside_baseline(-0.1, 0.07, 0.0, threads=1))) is None, (
        "it runs what the baseline ran"
    )


@given(FIELDS, st.sampled_from([SAME, SLOWER, FASTER, [-0.1, 0.07]]))
def test_every_difference_is_in_the_reason_whatever_the_verdict(fields: set[str], side_by_side: list[float]) -> None:
    changed = stack(**{name: CHANGED[name] for name in fields})
    verdict = judged(benchmark(stack=changed, beside=beside_baseline(*side_by_side)))
    assert {change.split(":")[0].split(" ")[0] for change in verdict.changes} == fields
    assert all(change in verdict.reason for change in verdict.changes)


# Another stack, and nothing beside it


@given(FIELDS, VALUES, VALUES, st.sampled_from(["none", "failed", "equal"]))
def test_another_stack_without_a_twin_is_never_ok(
    fields: set[str], now: list[float], then: list[float], which: str
) -> None:
    changed = stack(**{name: CHANGED[name] for name in fields})
    baseline_arms = {
        "none": None,
        "failed": beside_baseline(*SAME, problem="it was killed"),
        "equal": {**beside_baseline(*SAME), "stack": changed},
    }
    baseline_arm = baseline_arms[which]
    baseline = document(native(), benchmark(samples={"native-fp32": sample(then)}))
    verdict = judged(
        benchmark(stack=changed, beside=baseline_arm, samples={"native-fp32": sample(now)}), gate(baseline)
    )
    assert verdict.kind in {"inconclusive", "drifted"}
    assert verdict.side_by_side is None
    assert all(change in verdict.reason for change in verdict.changes)


@pytest.mark.parametrize("field", sorted(CHANGED))
def test_each_field_of_a_stack_makes_it_another_one(field: str) -> None:
    verdict = judged(benchmark(stack=stack(**{field: CHANGED[field]})))
    assert verdict.kind == "inconclusive"
    assert verdict.reason.startswith("the stack changed and the baseline's cannot run beside it; a change of ")
    assert f"; changed: {field}" in verdict.reason


def test_another_stack_far_from_the_stored_speedup_has_drifted_by_machine_or_build() -> None:
    verdict = judged(moved(-0.2, stack=NEW_WHEEL))
    assert verdict.kind == "drifted"
    assert "machine or build, sure at" in verdict.reason
    assert "changed: wheel" in verdict.reason


def test_why_nothing_ran_beside_it_is_in_the_reason() -> None:
    verdict = judged(new_wheel(problem="it was killed"))
    assert (verdict.kind, verdict.side_by_side) == ("inconclusive", None)
    assert "cannot run beside it (it was killed)" in verdict.reason


def test_a_reference_with_another_stack_and_no_twin_is_inconclusive() -> None:
    verdict = judged(native(stack=stack("native-fp32", threads=1)))
    assert (verdict.kind, verdict.ratios) == ("inconclusive", ())
    assert "threads: 2 -> 1" in verdict.reason


# What only one of both runs holds


def test_a_case_that_the_baseline_lacks_has_no_baseline() -> None:
    verdict = judged(benchmark("resnet50_v1-b2"))
    assert (verdict.kind, verdict.reason) == ("no-baseline", "0001_a.json does not hold it")
    assert undecided(benchmark("resnet50_v1-b2")) is None


def test_the_cases_that_only_the_baseline_holds_are_listed() -> None:
    assert gate().only_then([CASE, "new-b1-mkl-fp32"]) == sorted(set(as_run(document()).cases) - {CASE})


# The published tables


def published(speedup: float, *, scatter: float = 0.01, **figures: Any) -> Verdict:
    """The verdict on a speedup, the fastest of three invocations, by the published 9.32."""
    at = Gate("published", None, as_run(document()).perf, TOLERANCES, 1, sessions_with())
    values = [math.log(speedup) - by for by in (scatter, 0.0, 2 * scatter)]
    return judged(benchmark(samples={"native-fp32": sample(values)}, **figures), at)


@pytest.mark.parametrize(
    ("factor", "kind"), [(1.0, "ok"), (0.8, "ok"), (1.2, "ok"), (0.5, "regressed"), (2.0, "improved")]
)
def test_published_tables_judge_with_their_wide_tolerance(factor: float, kind: str) -> None:
    verdict = published(9.32 * factor)
    (ratio,) = verdict.ratios
    assert verdict.kind == ratio.judgement.kind == kind
    assert ratio.then is not None
    assert ratio.then.speedup == pytest.approx(9.32)
    assert smallest_loss(verdict) > TOLERANCES.published.change


@given(st.floats(1, 20), st.floats(0, 0.3))
def test_published_tables_never_drift(speedup: float, scatter: float) -> None:
    kind = published(speedup, scatter=scatter).kind
    assert kind in {"ok", "regressed", "improved"}
    assert kind != "regressed" or speedup < 9.32 * 0.75
    assert kind != "improved" or speedup > 9.32 / 0.75


def test_a_published_case_whose_invocations_were_all_disturbed_is_invalid() -> None:
    at = Gate("published", None, as_run(document()).perf, TOLERANCES, 1, sessions_with())
    verdict = judged(benchmark(samples={"native-fp32": sample([])}, invocations_disturbed=3), at)
    assert (verdict.kind, verdict.reason) == ("invalid", "nothing undisturbed was measured")


def test_what_was_not_published_has_no_baseline() -> None:
    verdict = published(9.32, published=None)
    assert (verdict.kind, verdict.reason) == ("no-baseline", "published does not hold it")


# The machine


def test_the_settings_that_differ_are_listed() -> None:
    at = gate(settings={"kernel": "6.2.0", "governor": "performance", "turbo": "off"})
    assert at.settings_changed == ["kernel: 6.1.0 -> 6.2.0", "turbo: not there -> off"]
    assert gate().settings_changed == []


def test_absolute_times_are_compared_on_the_same_machine_with_the_same_settings_only() -> None:
    slower = benchmark(latency_s=0.042)
    assert judged(slower).latency_ratio == pytest.approx(2)
    assert judged(slower).kind == "ok", "and are never judged"
    for other in ({"host_id": "another"}, {"host_id": None}, {"settings": {"kernel": "6.2.0"}}):
        assert judged(slower, gate(**other)).latency_ratio is None


# The whole run


def test_comparisons_are_the_ratios_of_the_selected_cases_and_one_for_a_reference() -> None:
    run = as_run(document())
    assert comparisons_of(run.cases, run) == 12
    assert comparisons_of([CASE, "resnet50_v1-b1-mkl-int8", "unknown"], run) == 3
    assert comparisons_of([], run) == 1
    assert comparisons_of(["a", "b"], None) == 2
    assert comparisons_of([], None) == 1


def test_variances_are_assumed_of_few_cases_and_taken_from_many() -> None:
    assert priors_of([as_case(new_wheel(*SAME))], TOLERANCES) == {"cnn": ASSUMED}
    many = [as_case(with_scatter(f"net{n}-b1", 0.1 + n / 1000, 0.3 + n / 1000)) for n in range(8)]
    priors = priors_of(many, TOLERANCES)["cnn"]
    assert 0.1**2 < priors.within.variance < 0.2**2
    assert 0.3**2 < priors.side_by_side.variance < 0.5**2


def with_scatter(workload: str, within: float, side_by_side: float) -> dict[str, Any]:
    values = {"native-fp32": sample([1.6 - within, 1.6, 1.6 + within])}
    return benchmark(workload, samples=values, beside=beside_baseline(-side_by_side, 0.0, side_by_side))


def test_cases_without_undisturbed_invocations_say_nothing_of_variances() -> None:
    empty = [
        as_case(benchmark(f"net{n}-b1", samples={"native-fp32": sample([])}, beside=beside_baseline()))
        for n in range(8)
    ]
    assert priors_of(empty, TOLERANCES) == {"cnn": ASSUMED}


def test_each_family_has_variances_of_its_own() -> None:
    assumed = {
        **TOLERANCES.assumed,
        "dist": AssumedDeviations(invocations=0.1, side_by_side=0.2, sessions=0.06, degrees=4),
    }
    tolerances = msgspec.structs.replace(TOLERANCES, assumed=assumed)
    noisy = [as_case(with_scatter(f"net{n}-b1", 0.3 + n / 1000, 0.3 + n / 1000)) for n in range(8)]
    others = [as_case(benchmark(f"{family}-b1", family=family)) for family in ("dist", "rnn")]
    priors = priors_of([*noisy, *others], tolerances)
    assert priors["cnn"].within.variance > 0.3**2
    assert priors["rnn"] == ASSUMED
    assert priors["dist"] == Priors(VariancePrior(0.1**2, 4), VariancePrior(0.2**2, 4))
    assert priors_of([], tolerances) == {}


def test_a_case_is_judged_with_the_variances_of_its_own_family() -> None:
    case = as_case(new_wheel(*SLOWER))
    wide = Priors(VariancePrior(1.0, 10), VariancePrior(1.0, 10))
    for priors, kind in (({"cnn": ASSUMED, "rnn": wide}, "regressed"), ({"cnn": wide, "rnn": ASSUMED}, "inconclusive")):
        verdict = gate().verdict(case, priors)
        assert verdict is not None
        assert verdict.kind == kind


def test_the_variance_of_speedups_says_nothing_of_side_by_side() -> None:
    cases = [as_case(with_scatter(f"net{n}-b1", 0.3 + n / 1000, 0.001 + n / 10_000)) for n in range(8)]
    priors = priors_of(cases, TOLERANCES)["cnn"]
    assert priors.side_by_side.variance < 0.002**2 < 0.2**2 < priors.within.variance


def test_more_comparisons_turn_an_alarm_off_and_never_on() -> None:
    for entry in (moved(-0.075), new_wheel(*[value * 0.16 for value in SLOWER])):
        few, many = (judged(entry, replace(gate(), comparisons=count)).kind for count in (1, 10**6))
        assert few in FAILING
        assert many not in FAILING


def test_strict_fails_whatever_was_not_judged() -> None:
    assert {kind for kind in GRAVITY if fails(kind, strict=False)} == {"regressed", "drifted"}
    assert {kind for kind in GRAVITY if fails(kind, strict=True)} == {"regressed", "drifted", *UNJUDGED}


def test_a_failing_verdict_is_graver_than_any_other() -> None:
    assert set(GRAVITY[-2:]) == FAILING
    assert GRAVITY[0] == "ok"


@given(VALUES, VALUES, VALUES)
def test_a_case_without_data_is_never_ok(over_native: list[float], over_fp32: list[float], then: list[float]) -> None:
    samples = {"native-fp32": sample(over_native), "mkl-fp32": sample(over_fp32, "mkl-fp32")}
    baseline = document(benchmark(variant="mkl-int8", samples={**samples, "native-fp32": sample(then)}))
    kind = judged(benchmark(variant="mkl-int8", samples=samples), gate(baseline)).kind
    assert kind != "ok" or (over_native and over_fp32 and then)


def test_a_verdict_rests_on_its_first_ratio_where_nothing_ran_beside_it() -> None:
    verdict = judged(int8_moved(0, 0))
    assert verdict.deciding is verdict.ratios[0].judgement
    assert Verdict(CASE, "no-baseline", "").deciding is None


def test_the_name_of_a_case_is_its_workload_and_variant() -> None:
    assert as_case(benchmark()).name == CASE
