"""What is climbed: releases, candidates, workloads, the time for them; and that `ladder.toml` holds together."""

from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path

import pytest

from perf.builds.releases import numbers_of
from perf.errors import PerfError
from perf.ladder.data import all_rungs, ladder_data, matching, selected_rungs, tier_named
from perf.ladder.programs import named_workloads
from perf.ladder.setup import effort_for

NAMES = [named.name for named in named_workloads(tier_named("standard"))]


def test_the_standard_ladder_has_all_kinds_of_workloads_once() -> None:
    kinds = {named.kind for named in named_workloads(tier_named("standard"))}
    assert kinds == {"fp32", "int8", "recurrent", "training", "operator"}
    assert len(set(NAMES)) == len(NAMES)


def test_releases_stand_in_their_order_and_the_anchor_is_one_of_them() -> None:
    rungs = all_rungs()
    assert all(numbers_of(a.release) < numbers_of(b.release) for a, b in pairwise(rungs))
    assert all(numbers_of(rung.requirement.partition("==")[2]) == numbers_of(rung.release) for rung in rungs)
    assert ladder_data().anchor in {rung.requirement for rung in rungs}


def test_reports_are_about_releases_and_workloads_of_the_ladder() -> None:
    releases = [rung.release for rung in all_rungs()]
    for report in ladder_data().reports:
        assert releases.index(report.before) < releases.index(report.after)
        for pattern in report.workloads:
            assert any(fnmatchcase(name, pattern) for name in NAMES), pattern


@pytest.mark.parametrize("name", ladder_data().operators)
def test_an_operator_has_a_shape_for_each_input(name: str) -> None:
    operator = ladder_data().operators[name]
    names = [node.op for node in operator.nodes]
    inputs = {source for node in operator.nodes for source in node.inputs}
    assert inputs - set(names) == set(operator.shapes)
    assert set(operator.scales) <= set(operator.shapes)
    assert len(set(names)) == len(names)  # they are named by their operator


def test_releases_are_selected_from_one_to_another() -> None:
    assert [rung.release for rung in selected_rungs("1.5.0", "1.6.0")] == ["1.5.0", "1.5.1", "1.6.0"]
    assert selected_rungs(None, None) == all_rungs()


def test_a_candidate_follows_the_last_release_under_the_name_of_its_file(tmp_path: Path) -> None:
    address = f"https://example.org/wheels/mxnet-1.10-py3-none-any.whl#sha256={'a' * 64}"
    wheel = tmp_path / "mxnet-1.9.2-py3.whl"
    wheel.touch()
    *_, first, second = selected_rungs("1.9.1", None, [str(wheel), address])
    assert [first.release, second.release] == ["mxnet-1.9.2-py3.whl", "mxnet-1.10-py3-none-any.whl"]
    assert [first.requirement, second.requirement] == [str(wheel), address]


@pytest.mark.parametrize(
    ("first", "last", "candidates", "text"),
    [
        ("1.5.2", None, [], "--from 1.5.2: the ladder has no such release"),
        (None, "2.0", [], "--to 2.0: the ladder has no such release"),
        ("1.6.0", "1.5.0", [], "no release lies from 1.6.0 to 1.5.0"),
        (None, None, ["mxnet==2.0", "mxnet==2.0"], "--with mxnet==2.0: is named twice"),
        (None, None, ["./missing.whl"], "--with ./missing.whl: the wheel cannot be read: No such file or directory"),
        (None, None, ["mxnet-mkl==99"], "next: use --with mxnet==1.9.1"),
        (None, None, ["--yes"], "--with --yes: no requirement or wheel file is named"),
    ],
)
def test_what_cannot_be_climbed_is_refused_with_a_next_step(
    first: str | None, last: str | None, candidates: list[str], text: str
) -> None:
    with pytest.raises(PerfError, match="next: ") as refused:
        selected_rungs(first, last, candidates)
    assert text in str(refused.value)


def test_workloads_are_chosen_by_patterns() -> None:
    assert matching(NAMES, ["broadcast_*", "softmax"]) == [
        "broadcast_add",
        "broadcast_mul",
        "broadcast_add_rows",
        "softmax",
    ]
    assert matching(NAMES, []) == NAMES
    with pytest.raises(PerfError, match=r"--only sofmax: no workload matches this pattern\nnext: name one of softmax"):
        matching(NAMES, ["sofmax"])


def test_an_unknown_tier_is_refused() -> None:
    with pytest.raises(PerfError, match="choose one of standard, smoke"):
        tier_named("nightly")


def test_the_standard_ladder_fits_into_its_hour() -> None:
    cells = len(all_rungs()) * len(NAMES)
    tier = tier_named("standard")
    effort = effort_for(tier, tier.minutes, cells)
    assert cells * effort.workload_budget_s == pytest.approx(60 * tier.minutes)
    # Besides its budget, each cell takes a part of its last invocation, and a second or two for its trace.
    assert 60 * tier.minutes + cells * (0.5 * 3.0 + 1.2) < 3600
    assert effort.workload_budget_s / effort.min_invocations > 3


def test_more_time_means_more_invocations_and_too_little_is_refused() -> None:
    tier = tier_named("standard")
    hour, day = effort_for(tier, 60.0, 200), effort_for(tier, 24 * 60.0, 200)
    assert day.workload_budget_s == pytest.approx(24 * hour.workload_budget_s)
    assert day.max_invocations > hour.max_invocations
    with pytest.raises(PerfError, match=r"200 cells take 32 min at least; 5 min are too few\nnext: give --minutes 32"):
        effort_for(tier, 5.0, 200)


@pytest.mark.parametrize("minutes", [float("nan"), float("inf")])
def test_minutes_that_are_no_number_are_refused(minutes: float) -> None:
    with pytest.raises(PerfError, match=r"--minutes: (nan|inf) is no time\nnext: give a number of minutes"):
        effort_for(tier_named("standard"), minutes, 200)
