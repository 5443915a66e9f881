"""Verdicts on whole cases: which ratio counts, what makes runs incomparable, and what is told of the rest."""

import math
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.errors import PerfError
from perf.judge.verdict import Tolerance
from perf.runs.baseline import TOLERANCES
from perf.runs.document import Case, Run
from perf.runs.gate import UNJUDGED, Gate, comparisons_of, fails
from perf.runs.tolerances import Entry, Tolerances, read_tolerances

from .made import FIRST, as_run, benchmark, document, int8, native

WIDE = Tolerances(default=Tolerance(0.01, 0.05), published=Tolerance(0.25, 0.5))
CASE = "resnet50_v1-b1-mkl-fp32"
NATIVE = {"requirement": "mxnet==1.5.0", "record_sha256": "a" * 64}


def gate(then: dict[str, Any] | None = None, **context: Any) -> Gate:
    """A gate with a stored run as baseline, for a run whose context differs in `context`."""
    baseline = as_run(then or document())
    now = as_run(document(**context)).perf
    return Gate("0001_a.json", baseline, now, WIDE, comparisons_of(baseline.cases, baseline))


def case(first: list[float], again: list[float] | None = None, **figures: Any) -> Case:
    samples = {"native-fp32": {"first": first, "again": again or []}}
    return msgspec.convert(benchmark(samples=samples, **figures)["extra_info"], Case)


def moved(by: float) -> list[float]:
    return [value + math.log1p(by) for value in FIRST]


def int8_case(over_native: float, over_fp32: float) -> Case:
    """mkl-int8, measured again, its speedups moved by these shares."""
    entry = int8(over_native=2.8 + math.log1p(over_native), over_fp32=1.2 + math.log1p(over_fp32))
    for sample in entry["extra_info"]["samples"].values():
        sample["again"] = sample["first"] * 3
    return msgspec.convert(entry["extra_info"], Case)


def test_unchanged_is_ok_and_a_loss_is_not() -> None:
    assert gate().verdict(case(FIRST)).kind == "ok"
    assert gate().unsettled(case(FIRST)) is None
    assert gate().unsettled(case(moved(-0.1))) == pytest.approx(-math.log(0.9), abs=1e-3)
    verdict = gate().verdict(case(moved(-0.1), moved(-0.1) * 3))
    assert verdict.kind == "regressed"
    assert verdict.ratios[0].now is not None
    assert verdict.ratios[0].then is not None
    assert verdict.ratios[0].now.speedup == pytest.approx(0.9 * verdict.ratios[0].then.speedup)


def test_a_case_that_the_baseline_lacks_has_no_baseline() -> None:
    new = case(FIRST, workload="resnet50_v1-b2")
    assert gate().unsettled(new) is None
    verdict = gate().verdict(new)
    assert (verdict.kind, verdict.reason) == ("no-baseline", "0001_a.json does not hold it")


def test_cases_that_only_the_baseline_holds_are_told() -> None:
    assert gate().only_then([CASE]) == sorted(set(as_run(document()).cases) - {CASE})


def test_a_case_whose_invocations_were_all_disturbed_is_invalid() -> None:
    verdict = gate().verdict(case([], invocations_disturbed=4))
    assert verdict.kind == "invalid"
    assert "disturbed all 4 invocations" in verdict.reason


@pytest.mark.parametrize(
    ("name", "value"),
    [("control", "mxnet==1.5.1 (ccc)"), ("threads", 1), ("instances", 2)],
    ids=str,
)
def test_another_control_or_placement_makes_every_case_invalid(name: str, value: object) -> None:
    then = {"control": "mxnet==1.5.0 (aaaaaaaaaaaa)", "instances": 1, "threads": 2}
    other = gate(comparable={**then, name: value})
    assert other.unsettled(case(moved(-0.3))) is None
    verdict = other.verdict(case(FIRST))
    assert verdict.kind == "invalid"
    assert f"{name}: {then[name]} -> {value}" in verdict.reason


def beside(*log_speedups: float) -> Case:
    """A case that looked slower than the baseline, and was measured side by side with the baseline's own wheel."""
    return case(moved(-0.1), moved(-0.1), beside=list(log_speedups), beside_wheel="mxnet-mkl==1.5.0")


def test_side_by_side_counts_whatever_the_baseline_says() -> None:
    drifted = gate().verdict(beside(0.001, -0.002, 0.0, 0.001, 0.002))
    assert drifted.kind == "ok"
    assert "the machine changed, not the build" in drifted.reason
    slower = gate().verdict(beside(-0.1, -0.11, -0.1, -0.1, -0.105))
    assert slower.kind == "regressed"
    assert slower.beside_wheel == "mxnet-mkl==1.5.0"


def test_side_by_side_goes_on_until_it_is_settled() -> None:
    assert gate().unsettled(beside(-0.1, 0.07, 0.0)) == pytest.approx(0.01)
    assert gate().unsettled(beside(0.001, -0.002, 0.0, 0.001, 0.002)) is None


def test_a_first_look_that_is_not_precise_enough_is_not_settled() -> None:
    assert gate().verdict(case([1.5, 1.7, 1.6])).kind == "inconclusive"
    assert gate().unsettled(case([1.5, 1.7, 1.6])) == pytest.approx(0, abs=1e-9)


def test_what_changed_since_the_baseline_is_listed() -> None:
    other = gate(
        settings={"kernel": "6.2.0", "governor": "performance", "turbo": "off"},
        wheels={"native": NATIVE, "mkl": {"requirement": "./new.whl", "record_sha256": "d" * 64}},
    )
    assert other.changes == [
        "wheel of mkl: mxnet-mkl==1.5.0 (bbbbbbbbbbbb) -> ./new.whl (dddddddddddd)",
        "kernel: 6.1.0 -> 6.2.0",
        "turbo: not there -> off",
    ]
    assert gate().changes == []


def test_a_network_that_was_prepared_anew_is_told() -> None:
    verdict = gate().verdict(case(FIRST, program="resnet50_v1-4567/fp32"))
    assert verdict.changes == ("program: resnet50_v1-0123/fp32 -> resnet50_v1-4567/fp32",)
    assert gate().verdict(case(FIRST)).changes == ()


def test_absolute_times_are_compared_on_the_same_machine_with_the_same_settings_only() -> None:
    slower = case(FIRST, latency_s=0.042)
    assert gate().verdict(slower).latency_ratio == pytest.approx(2)
    assert gate().verdict(slower).kind == "ok", "and are never judged"
    assert gate(host_id="another").verdict(slower).latency_ratio is None
    assert gate(host_id=None).verdict(slower).latency_ratio is None
    assert gate(settings={"kernel": "6.2.0"}).verdict(slower).latency_ratio is None


def test_int8_is_judged_over_both_others_and_the_gravest_counts() -> None:
    assert gate().verdict(int8_case(0, 0)).kind == "ok"
    both = gate().verdict(int8_case(-0.1, -0.1))
    assert [ratio.judgement.kind for ratio in both.ratios] == ["regressed", "regressed"]
    only_native = gate().verdict(int8_case(-0.1, 0))
    assert only_native.kind == "regressed"
    assert [ratio.judgement.kind for ratio in only_native.ratios] == ["regressed", "ok"]


def test_int8_is_not_blamed_for_a_faster_fp32() -> None:
    verdict = gate().verdict(int8_case(0.0001, -0.1))
    assert verdict.kind == "ok"
    assert "mkl-fp32 changed" in verdict.ratios[1].judgement.reason


def test_the_published_tables_judge_with_a_wide_tolerance_and_no_other_ratio() -> None:
    published = Gate("published", None, as_run(document()).perf, WIDE, 1)
    near, far = [math.log(9.32 * share) for share in (0.85, 0.5)]
    assert published.verdict(case([near, near + 0.01, near - 0.01])).kind in {"ok", "inconclusive"}
    slow = [far, far + 0.01, far - 0.01]
    assert published.unsettled(case(slow)) == pytest.approx(-math.log(0.5))
    assert published.verdict(case(slow, slow * 3)).kind == "regressed"
    assert published.verdict(case(FIRST, published_speedup=None)).kind == "no-baseline"


def test_comparisons_are_the_ratios_of_the_selected_cases() -> None:
    run = as_run(document())
    assert comparisons_of(run.cases, run) == 9
    assert comparisons_of([CASE, "resnet50_v1-b1-mkl-int8", "unknown"], run) == 3
    assert comparisons_of([], run) == 1


def test_strict_fails_whatever_was_not_judged() -> None:
    assert {kind for kind in (*UNJUDGED, "ok", "improved", "regressed") if fails(kind, strict=False)} == {"regressed"}
    assert all(fails(kind, strict=True) for kind in UNJUDGED)
    assert not fails("ok", strict=True)
    assert not fails("improved", strict=True)


@given(st.lists(st.floats(0.5, 3), max_size=5), st.lists(st.floats(0.5, 3), max_size=5))
def test_a_case_without_data_is_never_ok(first: list[float], again: list[float]) -> None:
    verdict = gate().verdict(case(first, again))
    assert first or verdict.kind == "invalid"


def test_the_narrowest_tolerance_counts() -> None:
    found = Tolerances(
        default=Tolerance(0.01, 0.05),
        published=Tolerance(0.25, 0.5),
        families={"cnn": Entry(change=0.02)},
        cases={"resnet152_v2-*": Entry(change=0.03, resolution=0.1), "resnet*": Entry(change=0.9)},
    )
    assert found.of("rnn", "lstm") == Tolerance(0.01, 0.05)
    assert found.of("cnn", "mobilenet1.0-b1-mkl-fp32") == Tolerance(0.02, 0.05)
    assert found.of("cnn", "resnet152_v2-b1-mkl-int8") == Tolerance(0.03, 0.1)


def test_the_repositorys_tolerances_are_readable() -> None:
    assert 0 < read_tolerances(TOLERANCES).of("cnn", CASE).change < 0.05


@pytest.mark.parametrize(
    "content",
    ["", "default = 1", "[default]\nchange = 2\nresolution = 0.1\n[published]\nchange = 0.1\nresolution = 0.2"],
)
def test_unusable_tolerances_are_told_by_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "tolerances.toml"
    path.write_text(content)
    with pytest.raises(PerfError, match=r"tolerances\.toml"):
        read_tolerances(path)


def test_spread_comes_from_all_cases_of_the_baseline() -> None:
    entries = [native(), benchmark(), int8()]
    run: Run = as_run(document(*entries))
    assert gate(document(*entries)).spread.degrees > 0
    assert len(run.cases) == 3
