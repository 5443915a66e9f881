"""The verdicts at the end of a run: every figure and every difference, on consoles of any width."""

import math
import re
from io import StringIO

import pytest
from rich.console import Console

from perf.judge.change import Change
from perf.judge.judgement import Judgement
from perf.judge.variance_prior import VariancePrior
from perf.report.verdicts import (
    MOST_INVOCATIONS,
    SHOWN_NAMES,
    print_verdicts,
    reason_lines,
)
from perf.runs.groups import RunVerdicts
from perf.runs.judges import Judge, NoBaseline
from perf.runs.variances import SessionVariances
from perf.runs.verdict import GRAVITY, Verdict
from tests.support.factories import (
    CASE,
    benchmark,
    document,
    gate,
    judged,
    measured_side_by_side,
    native,
    stack,
)
from tests.unit.report.made_verdicts import EVEN, NEW_WHEEL, SETTINGS, WHEEL_CHANGE, drifted, judged_side_by_side


def printed(
    verdicts: list[Verdict], selected: list[str] | None = None, width: int = 160, at: Judge | None = None
) -> str:
    out = StringIO()
    names = [verdict.case for verdict in verdicts] if selected is None else selected
    judged = RunVerdicts({str(place): verdict for place, verdict in enumerate(verdicts)})
    print_verdicts(judged, at or NoBaseline(), names, Console(file=out, width=width))
    return out.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_every_case_that_is_not_ok_is_in_the_table(width: int) -> None:
    verdicts = [
        judged(benchmark()),
        judged_side_by_side(-0.1, "resnet18_v1-b1"),
        judged_side_by_side(0.2, "squeezenet1.0-b1"),
        drifted(workload="squeezenet1.0-b1"),
    ]
    text = printed(verdicts, width=width, at=gate())
    assert CASE not in text.partition("would detect")[0]
    assert {"resnet18_v1-b1-mkl-fp32", "squeezenet1.0-b1-mkl-fp32"} <= set(re.findall(r"[\w.]+-b1-mkl-fp32", text))
    assert "regressed: over 99.999 % confidence " in text
    assert ". 1 case: resnet18_v1-b1-mkl-fp32." in text
    assert "Verdicts: 1 regressed, 1 drifted, 1 improved, 1 ok." in " ".join(text.split())


def test_the_table_holds_each_change_with_its_interval() -> None:
    rows = [re.split(r"\s{2,}", line.strip()) for line in printed([judged_side_by_side(-0.1)], at=gate()).splitlines()]
    stored = next(row for row in rows if row[:3] == [CASE, "regressed", "native-fp32"])
    assert stored[3:5] == ["5.00", "5.00"]
    assert stored[5].startswith("+0.0% [-")
    baseline_arms = next(row for row in rows if row[:3] == [CASE, "regressed", "the baseline's stack, side by side"])
    assert baseline_arms[5].startswith("-10.0% [-10.")


def test_a_reference_that_was_measured_side_by_side_has_one_row() -> None:
    slower = [value + math.log1p(-0.1) for value in EVEN]
    entry = native(
        stack=stack("native-fp32", wheel="d" * 64), beside=measured_side_by_side(*slower, variant="native-fp32")
    )
    verdict = judged(entry)
    rows = [re.split(r"\s{2,}", line.strip()) for line in printed([verdict], at=gate()).splitlines()]
    assert [row[2] for row in rows if row[:2] == [verdict.case, "regressed"]] == ["the baseline's stack, side by side"]


def test_what_the_baseline_arm_lacked_is_printed_and_stored_for_every_verdict() -> None:
    for by, kind in ((0.0, "ok"), (-0.1, "regressed")):
        verdict = judged_side_by_side(by, threads=1)
        assert verdict.kind == kind
        assert verdict.record.missing == ("threads: 2 -> 1",)
    ok = printed([judged_side_by_side(0, threads=1)], at=gate())
    assert f"\nchanged since the baseline: {WHEEL_CHANGE}. 1 case: {CASE}.\n" in ok
    assert f"\nthe baseline arm differs from the baseline: threads: 2 -> 1. 1 case: {CASE}.\n" in ok


def test_cases_without_a_baseline_and_without_a_run_are_listed() -> None:
    missing = [Verdict(name, "no-baseline", "0001_a.json does not contain this case") for name in ("a-b1", "b-b1")]
    text = printed(missing, [CASE, "a-b1", "b-b1"], at=gate())
    assert "no-baseline: 0001_a.json does not contain this case. 2 cases: a-b1, b-b1." in text
    assert "Only in the baseline: 8 cases: " in text
    assert CASE not in text


def test_long_lists_of_cases_state_how_many_more_there_are() -> None:
    count = SHOWN_NAMES + 3
    missing = [Verdict(f"n{number}", "no-baseline", "why") for number in range(count)]
    text = printed(missing)
    assert f"no-baseline: why. {count} cases: n0, " in text
    assert f"n{SHOWN_NAMES - 1} and 3 more.\n" in text
    assert f"n{SHOWN_NAMES}," not in text


def test_differences_are_listed_once_with_their_cases_whatever_the_verdict() -> None:
    verdicts = [
        judged_side_by_side(0, "resnet18_v1-b1"),
        judged_side_by_side(-0.1),
        drifted(0, stack=stack(measuring="ba9876543210")),
    ]
    assert [verdict.kind for verdict in verdicts] == ["ok", "regressed", "ok"]
    text = printed(verdicts, at=gate())
    for change, cases in (
        (WHEEL_CHANGE, f"2 cases: resnet18_v1-b1-mkl-fp32, {CASE}"),
        ("measuring: 0123456789ab -> ba9876543210", f"1 case: {CASE}"),
    ):
        assert text.count(f"\nchanged since the baseline: {change}. {cases}.\n") == 1


def test_an_undecided_case_states_how_many_invocations_would_decide_it() -> None:
    verdict = judged(benchmark(stack=NEW_WHEEL, beside=measured_side_by_side(-0.1, 0.07, 0.0)))
    assert verdict.kind == "inconclusive"
    assert verdict.side_by_side is not None
    needed = verdict.side_by_side.needed
    assert f"; --perf-invocations={needed} would decide it. 1 case: {CASE}." in printed([verdict])


def test_an_identical_reason_is_printed_once_with_its_cases() -> None:
    """The cases differ in what changed, in the change that would have been detected, and in what would decide them."""
    names = [f"net{number}-b1" for number in range(5)]
    verdicts = [
        judged(
            benchmark(name, stack=stack(wheel="d" * 64, program=f"{name}-0123/fp32")),
            gate(document(*map(benchmark, names))),
        )
        for name in names
    ]
    assert {verdict.kind for verdict in verdicts} == {"inconclusive"}
    assert len({verdict.reason for verdict in verdicts}) == 5
    lines = [line for line in printed(verdicts).splitlines() if line.startswith("inconclusive: ")]
    assert len(lines) == 1
    assert lines[0].endswith(
        "would have been detected. 5 cases: " + ", ".join(f"{name}-mkl-fp32" for name in names) + "."
    )


@pytest.mark.parametrize(("losses", "text"), [((3.1, 12.0, 3.1), "3.1 to 12.0%"), ((3.1, 3.1), "3.1%")])
def test_reasons_that_differ_in_percentages_are_one_with_a_range(losses: tuple[float, ...], text: str) -> None:
    verdicts = [Verdict(f"n{n}", "inconclusive", f"a loss of {loss}% or more") for n, loss in enumerate(losses)]
    names = ", ".join(verdict.case for verdict in verdicts)
    assert reason_lines(verdicts) == [f"inconclusive: a loss of {text} or more. {len(losses)} cases: {names}."]


def test_no_impractical_number_of_invocations_is_recommended() -> None:
    undecided = Judgement(
        "inconclusive", "why", Change(-0.1, (VariancePrior(0.09, 4),)), 0.9, 0.8, MOST_INVOCATIONS + 1
    )
    text = printed([Verdict(CASE, "inconclusive", "why", side_by_side=undecided)])
    assert "why; this machine is too noisy to decide that with a practical number of invocations. 1 case" in text
    assert "--perf-invocations" not in text


def test_an_inconclusive_case_without_a_baseline_arm_has_no_recommendation() -> None:
    text = printed([judged(benchmark(stack=NEW_WHEEL))])
    reason = "the stack changed, and the baseline's stack was not measured side by side; a change of "
    assert f"inconclusive: {reason}" in text
    assert "--perf-invocations" not in text


def test_the_header_names_the_baseline_its_date_and_the_machine_settings_that_changed() -> None:
    lines = printed([], at=gate(settings=SETTINGS)).splitlines()
    assert lines[0] == (
        "Compared with 0001_a.json, stored 2026-11-23T15:00. "
        "Standard deviation between sessions: cnn 1.0% (assumed until three runs are stored)."
    )
    assert lines[1] == "Machine setting changed since the baseline: kernel: 6.1.0 -> 6.2.0"
    assert lines[-1] == "Verdicts: none."


def test_the_header_states_how_many_stored_runs_the_variance_comes_from() -> None:
    at = gate(sessions=SessionVariances({"cnn": VariancePrior(0.037**2, 10), "rnn": VariancePrior(0.01**2, 4)}, {}, 5))
    assert "Standard deviation between sessions: cnn 3.7%, rnn 1.0% (from 5 stored runs)." in printed([], at=at)


def test_the_smallest_loss_of_builds_and_drift_of_the_machine_are_stated_apart() -> None:
    ok, build = judged(benchmark()), judged_side_by_side(0, "resnet18_v1-b1")
    text = printed([ok, build], at=gate())
    for what, judgement in (("loss of a build", build.deciding), ("drift of the machine", ok.deciding)):
        assert judgement is not None
        line = (
            f"Smallest {what} that 95 of 100 such runs would detect: median {judgement.smallest_loss:.1%}; "
            f"median {judgement.with_twice:.1%} with twice as many invocations.\n"
        )
        assert line in text
    assert "no two builds were compared" not in text


def test_the_case_with_the_largest_smallest_loss_is_named() -> None:
    losses = {"a": 0.01, "b": 0.02, "c": 0.07}
    verdicts = [
        Verdict(case, "ok", "", side_by_side=Judgement("ok", "", None, loss, loss / 2)) for case, loss in losses.items()
    ]
    line = (
        "Smallest loss of a build that 95 of 100 such runs would detect: median 2.0%, at most 7.0% (c); "
        "median 1.0% with twice as many invocations."
    )
    assert line in printed(verdicts)


def test_a_run_of_the_baselines_stacks_states_that_no_builds_were_compared() -> None:
    line = "Every case ran the baseline's stack, so no two builds were compared."
    assert line in printed([judged(benchmark())])
    assert line not in printed([judged_side_by_side(0)])


def test_latencies_are_summarised_and_not_judged() -> None:
    verdicts = [drifted(0, name, latency_s=0.021 * by) for name, by in (("resnet18_v1-b1", 1), ("resnet50_v1-b1", 2))]
    text = printed(verdicts, at=gate())
    line = "Latency relative to the baseline's, on the same machine: median 1.500, range 1.000 to 2.000 (not judged)."
    assert line in text


def test_verdicts_are_counted_from_the_gravest() -> None:
    verdicts = [Verdict(f"case{n}", kind, "") for n, kind in enumerate(GRAVITY)]
    expected = ", ".join(f"1 {kind}" for kind in reversed(GRAVITY))
    assert printed(verdicts).splitlines()[-1] == f"Verdicts: {expected}."
