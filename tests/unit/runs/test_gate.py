"""Verdicts on whole runs: missing cases, the published tables, the machine, comparisons and variances."""

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
from perf.runs.verdict import FAILING, Verdict
from tests.support.changed_cases import (
    ASSUMED,
    SAME,
    SLOWER,
    VALUES,
    moved,
    new_wheel,
    smallest_loss,
    undecided,
)
from tests.support.factories import (
    CASE,
    TOLERANCES,
    as_case,
    as_run,
    benchmark,
    document,
    gate,
    judged,
    measured_side_by_side,
    sample,
    sessions_with,
)


def test_a_case_that_the_baseline_lacks_is_no_baseline() -> None:
    verdict = judged(benchmark("resnet50_v1-b2"))
    assert (verdict.kind, verdict.reason) == ("no-baseline", "0001_a.json does not contain this case")
    assert undecided(benchmark("resnet50_v1-b2")) is None


def test_the_cases_that_only_the_baseline_holds_are_listed() -> None:
    assert gate().only_then([CASE, "new-b1-mkl-fp32"]) == sorted(set(as_run(document()).cases) - {CASE})


def published(speedup: float, *, scatter: float = 0.01, **figures: Any) -> Verdict:
    """Return the verdict on a speedup, the fastest of three invocations, against the published 9.32."""
    at = Gate("published", None, as_run(document()).perf, TOLERANCES, 1, sessions_with())
    values = [math.log(speedup) - by for by in (scatter, 0.0, 2 * scatter)]
    return judged(benchmark(samples={"native-fp32": sample(values)}, **figures), at)


@pytest.mark.parametrize(
    ("factor", "kind"), [(1.0, "ok"), (0.8, "ok"), (1.2, "ok"), (0.5, "regressed"), (2.0, "improved")]
)
def test_the_published_tables_have_a_wide_tolerance(factor: float, kind: str) -> None:
    verdict = published(9.32 * factor)
    (ratio,) = verdict.ratios
    assert verdict.kind == ratio.judgement.kind == kind
    assert ratio.then is not None
    assert ratio.then.speedup == pytest.approx(9.32)
    assert smallest_loss(verdict) > TOLERANCES.published.change


@given(st.floats(1, 20), st.floats(0, 0.3))
def test_no_case_drifts_against_the_published_tables(speedup: float, scatter: float) -> None:
    kind = published(speedup, scatter=scatter).kind
    assert kind in {"ok", "regressed", "improved"}
    assert kind != "regressed" or speedup < 9.32 * 0.75
    assert kind != "improved" or speedup > 9.32 / 0.75


def test_a_published_case_whose_invocations_were_all_disturbed_is_invalid() -> None:
    at = Gate("published", None, as_run(document()).perf, TOLERANCES, 1, sessions_with())
    verdict = judged(benchmark(samples={"native-fp32": sample([])}, invocations_disturbed=3), at)
    assert (verdict.kind, verdict.reason) == ("invalid", "it has no undisturbed measurement")


def test_a_case_that_was_not_published_is_no_baseline() -> None:
    verdict = published(9.32, published=None)
    assert (verdict.kind, verdict.reason) == ("no-baseline", "the published tables do not contain this case")


def test_the_settings_that_differ_are_listed() -> None:
    at = gate(settings={"kernel": "6.2.0", "governor": "performance", "turbo": "off"})
    assert at.settings_changed == ["kernel: 6.1.0 -> 6.2.0", "turbo: not recorded -> off"]
    assert gate().settings_changed == []


def test_absolute_times_are_compared_only_on_the_same_machine_with_the_same_settings() -> None:
    slower = benchmark(latency_s=0.042)
    assert judged(slower).latency_ratio == pytest.approx(2)
    assert judged(slower).kind == "ok", "and are never judged"
    for other in ({"host_id": "another"}, {"host_id": None}, {"settings": {"kernel": "6.2.0"}}):
        assert judged(slower, gate(**other)).latency_ratio is None


def test_every_ratio_of_a_selected_case_is_a_comparison_and_so_is_a_reference() -> None:
    run = as_run(document())
    assert comparisons_of(run.cases, run) == 12
    assert comparisons_of([CASE, "resnet50_v1-b1-mkl-int8", "unknown"], run) == 3
    assert comparisons_of([], run) == 1
    assert comparisons_of(["a", "b"], None) == 2
    assert comparisons_of([], None) == 1


def test_variances_are_assumed_for_few_cases_and_estimated_from_many() -> None:
    assert priors_of([as_case(new_wheel(*SAME))], TOLERANCES) == {"cnn": ASSUMED}
    many = [as_case(with_scatter(f"net{n}-b1", 0.1 + n / 1000, 0.3 + n / 1000)) for n in range(8)]
    priors = priors_of(many, TOLERANCES)["cnn"]
    assert 0.1**2 < priors.within.variance < 0.2**2
    assert 0.3**2 < priors.side_by_side.variance < 0.5**2


def with_scatter(workload: str, within: float, side_by_side: float) -> dict[str, Any]:
    values = {"native-fp32": sample([1.6 - within, 1.6, 1.6 + within])}
    return benchmark(workload, samples=values, beside=measured_side_by_side(-side_by_side, 0.0, side_by_side))


def test_cases_without_undisturbed_invocations_do_not_change_variances() -> None:
    empty = [
        as_case(benchmark(f"net{n}-b1", samples={"native-fp32": sample([])}, beside=measured_side_by_side()))
        for n in range(8)
    ]
    assert priors_of(empty, TOLERANCES) == {"cnn": ASSUMED}


def test_each_family_has_its_own_variances() -> None:
    assumed = {
        **TOLERANCES.assumed,
        "dist": AssumedDeviations(invocations=0.1, side_by_side=0.2, sessions=0.06, degrees=4),
    }
    tolerances = msgspec.structs.replace(TOLERANCES, assumed=assumed)
    noisy = [as_case(with_scatter(f"net{n}-b1", 0.3 + n / 1000, 0.3 + n / 1000)) for n in range(8)]
    few = [as_case(benchmark(f"{family}-b1", family=family)) for family in ("dist", "rnn")]
    priors = priors_of([*noisy, *few], tolerances)
    assert priors["cnn"].within.variance > 0.3**2
    assert priors["rnn"] == ASSUMED
    assert priors["dist"] == Priors(VariancePrior(0.1**2, 4), VariancePrior(0.2**2, 4))
    assert priors_of([], tolerances) == {}


def test_a_case_is_judged_by_the_variances_of_its_family() -> None:
    case = as_case(new_wheel(*SLOWER))
    wide = Priors(VariancePrior(1.0, 10), VariancePrior(1.0, 10))
    for priors, kind in (({"cnn": ASSUMED, "rnn": wide}, "regressed"), ({"cnn": wide, "rnn": ASSUMED}, "inconclusive")):
        verdict = gate().verdict(case, priors)
        assert verdict is not None
        assert verdict.kind == kind


def test_the_variance_of_speedups_does_not_affect_that_side_by_side() -> None:
    cases = [as_case(with_scatter(f"net{n}-b1", 0.3 + n / 1000, 0.001 + n / 10_000)) for n in range(8)]
    priors = priors_of(cases, TOLERANCES)["cnn"]
    assert priors.side_by_side.variance < 0.002**2 < 0.2**2 < priors.within.variance


def test_more_comparisons_can_only_remove_an_alarm() -> None:
    for entry in (moved(-0.075), new_wheel(*[value * 0.16 for value in SLOWER])):
        few, many = (judged(entry, replace(gate(), comparisons=count)).kind for count in (1, 10**6))
        assert few in FAILING
        assert many not in FAILING


@given(VALUES, VALUES, VALUES)
def test_a_case_without_data_is_never_ok(over_native: list[float], over_fp32: list[float], then: list[float]) -> None:
    samples = {"native-fp32": sample(over_native), "mkl-fp32": sample(over_fp32, "mkl-fp32")}
    baseline = document(benchmark(variant="mkl-int8", samples={**samples, "native-fp32": sample(then)}))
    kind = judged(benchmark(variant="mkl-int8", samples=samples), gate(baseline)).kind
    assert kind != "ok" or (over_native and over_fp32 and then)


def test_the_name_of_a_case_is_its_workload_and_variant() -> None:
    assert as_case(benchmark()).name == CASE
