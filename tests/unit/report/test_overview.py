"""The overview of a run: one word, all counts, and the findings in order."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.report.overview import RESULT_MEANINGS, RESULTS, Overview, overview_of_run
from perf.runs.judges import Judge, NoBaseline
from perf.runs.verdict import GRAVITY
from perf.wording import uv
from tests.support.factories import (
    LOG_SPEEDUPS,
    TOLERANCES,
    as_run,
    benchmark,
    document,
    gate,
    measured_side_by_side,
    native,
    sample,
)
from tests.unit.report.made_verdicts import EVEN, NEW_WHEEL, SETTINGS, WHEEL_CHANGE

ITEM = "perf/cnn/test_inference.py::test_inference[{}]"
GONE = ITEM.format("resnet18_v1-b1-mkl-int8")


def side_by_side(workload: str, change: float) -> dict[str, Any]:
    """Return a case with another wheel, whose speed side by side is 1 + `change` times the baseline's."""
    values = (value + math.log1p(change) for value in EVEN)
    return benchmark(workload, stack=NEW_WHEEL, beside=measured_side_by_side(*values))


def between_sessions(workload: str, change: float = 0.0) -> dict[str, Any]:
    """Return a case of the baseline's stack, whose speedup is 1 + `change` times the baseline's."""
    return benchmark(workload, samples={"native-fp32": sample([v + math.log1p(change) for v in LOG_SPEEDUPS])})


def overview(*cases: dict[str, Any], judge: Judge | None = None, **context: Any) -> Overview:
    """Return the overview of a run of these cases and their references, against a run of the same three networks."""
    workloads = ("resnet18_v1-b1", "resnet50_v1-b1", "squeezenet1.0-b1")
    then = document(*(entry for name in workloads for entry in (native(name), benchmark(name))))
    references = [native(case["extra_info"]["workload"]) for case in cases]
    run = as_run(document(*references, *cases, **context))
    judge = judge or gate(then, **context)
    return overview_of_run(run, judge, judge.judged(list(run.cases.values())), TOLERANCES)


def ok(**context: Any) -> Overview:
    return overview(*map(between_sessions, ("resnet18_v1-b1", "resnet50_v1-b1", "squeezenet1.0-b1")), **context)


def test_a_run_in_which_nothing_changed_is_ok() -> None:
    assert (ok().result, dict(ok().counts), ok().findings) == ("ok", {"ok": 3}, ())


def test_the_gravest_finding_names_the_run_and_comes_first() -> None:
    seen = overview(
        side_by_side("resnet18_v1-b1", -0.1),
        between_sessions("resnet50_v1-b1", -0.3),
        side_by_side("squeezenet1.0-b1", -0.2),
    )
    assert seen.result == "regressed"
    assert dict(seen.counts) == {"regressed": 2, "drifted": 1}
    assert seen.counts_text == "2 regressed, 1 drifted"
    assert [f.case for f in seen.findings] == [
        "squeezenet1.0-b1-mkl-fp32",
        "resnet18_v1-b1-mkl-fp32",
        "resnet50_v1-b1-mkl-fp32",
    ]


def test_a_regression_side_by_side_shows_that_change_and_the_build() -> None:
    worst = overview(side_by_side("resnet18_v1-b1", -0.1), settings=SETTINGS).findings[0]
    assert (worst.compared, worst.cause, worst.changes) == ("side by side", "build", (WHEEL_CHANGE,))
    assert worst.change == pytest.approx(0.9, abs=0.001)
    assert worst.change
    assert worst.low
    assert worst.high
    assert worst.low < worst.change < worst.high < 1 - worst.tolerance
    assert worst.tolerance == TOLERANCES.default.change
    assert worst.smallest_loss is not None
    assert worst.item == ITEM.format("resnet18_v1-b1-mkl-fp32")
    assert worst.command == f"{uv()} run pytest '{worst.item}' --benchmark-compare=0001_a.json"


def test_a_drift_shows_the_machines_settings() -> None:
    worst = overview(between_sessions("resnet18_v1-b1", -0.3), settings=SETTINGS).findings[0]
    assert (worst.kind, worst.compared, worst.cause) == ("drifted", "between sessions", "machine")
    assert worst.changes == ("kernel: 6.1.0 -> 6.2.0",)


def test_the_command_repeats_the_tier_and_what_was_slowed_down() -> None:
    worst = overview(between_sessions("resnet18_v1-b1", -0.3), tier="quick", injected={"mkl-fp32": 0.07}).findings[0]
    assert "--perf-tier=quick --perf-inject=mkl-fp32=7 --benchmark-compare=0001_a.json" in worst.command


def test_the_command_names_the_wheels_that_nothing_pins() -> None:
    case = side_by_side("resnet18_v1-b1", -0.1)
    case["extra_info"] |= {"build": "mkl", "wheel_locked": False}
    assert " --perf-build=mkl=./new.whl " in overview(case).findings[0].command


def test_cases_that_were_not_run_or_vanished_make_a_run_incomplete() -> None:
    seen = overview(between_sessions("resnet50_v1-b1"), left_out={GONE: "Skipped: not run: no compiler"})
    assert seen.result == "incomplete"
    assert seen.not_run == {"resnet18_v1-b1-mkl-int8": "Skipped: not run: no compiler"}
    assert len(seen.vanished) == 4
    assert seen.counts_text == "1 ok, 1 not run, 4 vanished"


def test_what_was_not_asked_for_has_not_vanished() -> None:
    """So a slice, such as the short benchmark of a pull request, can be ok, and its comment silent."""
    rest = [
        f"{name}-b1-{variant}" for name in ("resnet18_v1", "squeezenet1.0") for variant in ("native-fp32", "mkl-fp32")
    ]
    seen = overview(between_sessions("resnet50_v1-b1"), deselected=rest)
    assert (seen.result, seen.counts_text) == ("ok", "1 ok")
    assert seen.doubts == ("Cases of the baseline that were not asked for: 4.",)
    seen = overview(between_sessions("resnet50_v1-b1"), deselected=rest[1:])
    assert (seen.result, seen.vanished) == ("incomplete", (rest[0],))


def test_a_case_that_failed_without_a_result_makes_a_run_invalid() -> None:
    seen = overview(between_sessions("resnet50_v1-b1"), left_out={GONE: "resnet18_v1-b1 mkl-int8: it crashed"})
    assert (seen.result, seen.counts_text) == ("invalid", "1 ok, 1 not run, 4 vanished")
    alone = overview(between_sessions("resnet50_v1-b1"), judge=NoBaseline("none"), left_out={GONE: "it crashed"})
    assert (alone.result, alone.counts_text) == ("invalid", "1 no-baseline, 1 not run")


def test_an_unfinished_run_is_incomplete_and_a_slowed_one_says_so() -> None:
    assert ok(complete=False).result == "incomplete"
    assert ok(complete=False).doubts == ("The run is unfinished.",)
    assert ok(injected={"mkl-fp32": 0.07}).doubts == (
        "The run was slowed down on purpose (--perf-inject): mkl-fp32 by 7.0%.",
    )


def test_without_a_baseline_nothing_was_compared() -> None:
    for why, counts in (("there is no stored run", {"no-baseline": 1}), ("", {})):
        seen = overview(between_sessions("resnet50_v1-b1"), judge=NoBaseline(why))
        assert (seen.result, dict(seen.counts), seen.baseline) == ("not compared", counts, "")


def test_a_baseline_that_nothing_was_compared_with_makes_a_run_incomplete() -> None:
    seen = overview(between_sessions("vgg16-b1"))
    assert (seen.result, seen.counts_text) == ("incomplete", "1 no-baseline, 6 vanished")
    judge, empty = gate(document()), as_run({**document(), "benchmarks": []})
    seen = overview_of_run(empty, judge, judge.judged([]), TOLERANCES)
    assert (seen.result, seen.counts_text) == ("incomplete", "9 vanished")


def test_a_case_that_is_new_is_not_judged() -> None:
    seen = overview(*ok_cases(), between_sessions("vgg16-b1"))
    assert (seen.result, seen.counts_text) == ("incomplete", "1 no-baseline, 3 ok")
    assert seen.findings[0].change is None


def ok_cases() -> list[dict[str, Any]]:
    return [between_sessions(name) for name in ("resnet18_v1-b1", "resnet50_v1-b1", "squeezenet1.0-b1")]


def test_every_verdict_has_a_word_and_every_word_a_meaning() -> None:
    assert set(RESULTS) == set(GRAVITY)
    assert set(RESULTS.values()) < set(RESULT_MEANINGS)


def test_words_are_in_the_order_of_gravity() -> None:
    order = [RESULTS[kind] for kind in GRAVITY if kind != "no-baseline"]
    assert [word for word in RESULT_MEANINGS if word in order] == order


@given(st.lists(st.floats(-0.6, 0.6), min_size=1, max_size=3))
def test_findings_are_sorted_and_counted(changes: list[float]) -> None:
    workloads = ("resnet18_v1-b1", "resnet50_v1-b1", "squeezenet1.0-b1")
    seen = overview(*(side_by_side(name, change) for name, change in zip(workloads, changes, strict=False)))
    ranks = [(-GRAVITY.index(f.kind), -f.significance) for f in seen.findings]
    assert ranks == sorted(ranks)
    assert sum(seen.counts.values()) - seen.counts.get("vanished", 0) == len(changes)
    assert len(seen.findings) == len(changes) - seen.counts.get("ok", 0)
