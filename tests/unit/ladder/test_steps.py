"""Steps: changes from release to release, gaps between them, significance over the whole ladder, public reports."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.ladder.data import Report
from perf.ladder.schema import StoredStep
from perf.ladder.steps import LEVEL, cells_in
from tests.unit.ladder.made_ladder import PRIOR, Figures, cell, ladder

QUIET = [0.001, -0.001, 0.0005, -0.0005]
RATIOS = st.lists(st.floats(-0.3, 0.3), min_size=2, max_size=5)


def shifted(by: float) -> list[float]:
    return [value + by for value in QUIET]


def steps(**figures: Figures) -> dict[str, StoredStep]:
    """The steps of one workload with these figures by release, by the release after."""
    return {step.after: step for step in ladder({"softmax": figures}).steps}


def test_a_loss_and_a_gain_are_significant_and_noise_is_not() -> None:
    by_release = steps(a=QUIET, b=shifted(-0.1), c=shifted(-0.1), d=shifted(0.1))
    assert [(step.before, step.significant) for step in by_release.values()] == [("a", True), ("b", False), ("c", True)]
    assert by_release["b"].change == pytest.approx(0.9048, abs=1e-3)
    assert by_release["d"].change == pytest.approx(1.2214, abs=1e-3)
    for step in by_release.values():
        assert step.low is not None
        assert step.high is not None
        assert step.change is not None
        assert step.low < step.change < step.high


def test_what_a_release_lacks_is_not_judged_and_the_next_one_is_compared_with_the_last_that_has_it() -> None:
    by_release = steps(a=QUIET, b="it fails", c=shifted(-0.1))
    assert (by_release["b"].change, by_release["b"].p_value, by_release["b"].reason) == (
        None,
        None,
        "not available in b: it fails",
    )
    assert (by_release["c"].before, by_release["c"].significant) == ("a", True)


def test_before_the_first_release_that_has_a_workload_there_is_no_step() -> None:
    assert list(steps(a="it came later", b=QUIET, c=QUIET)) == ["c"]


@pytest.mark.parametrize(("values", "text"), [([], "0 undisturbed invocations"), ([0.2], "1 undisturbed invocation;")])
def test_too_few_invocations_are_not_judged(values: list[float], text: str) -> None:
    step = steps(a=QUIET, b=values)["b"]
    assert (step.change, step.significant) == (None, False)
    assert text in step.reason


def test_the_anchor_is_exact() -> None:
    made = ladder({"softmax": {"a": shifted(0.1)}}, cell("b", [], is_anchor=True))
    cells = cells_in(["a", "b"], made.cells, PRIOR)
    change = cells.change("a", "b", "softmax")
    assert change is not None
    assert change.log_ratio == pytest.approx(-0.1)
    assert cells.cells["b", "softmax"].speed == 1.0


def test_equal_stacks_have_no_change_and_weaken_no_other_step() -> None:
    figures: dict[str, Figures] = {"a": QUIET, "b": shifted(-0.012)}
    copies = {f"copy{n}": {"a": QUIET} for n in range(50)}
    alone = ladder({"softmax": figures, **copies})
    equal = [cell("b", [], name, status="same stack", reason="a") for name in copies]
    among = ladder({"softmax": figures, **copies}, *equal)
    first, *copied = among.steps
    assert first == alone.steps[0]
    assert [(step.change, step.p_value, step.significant) for step in copied] == [(1.0, None, False)] * 50
    assert copied[0].reason == "b runs the same stack as a: no change by construction"


def test_more_steps_make_a_change_less_significant() -> None:
    noisy = [6 * value for value in QUIET]
    figures: dict[str, Figures] = {"a": noisy, "b": [value - 0.02 for value in noisy]}
    (alone,) = ladder({"softmax": figures}).steps
    first, *_ = ladder({"softmax": figures, **{f"w{n}": {"a": noisy, "b": noisy} for n in range(200)}}).steps
    assert alone.p_value is not None
    assert first.p_value is not None
    assert alone.p_value <= LEVEL < first.p_value


@given(RATIOS, RATIOS, RATIOS)
def test_steps_add_up(a: list[float], b: list[float], c: list[float]) -> None:
    made = ladder({"softmax": {"a": a, "b": b, "c": c}})
    cells = cells_in(["a", "b", "c"], made.cells, PRIOR)
    whole = cells.change("a", "c", "softmax")
    assert whole is not None
    first, second = (step.change or 0.0 for step in made.steps)
    assert first * second == pytest.approx(whole.ratio)


def report(direction: Any, *workloads: str) -> Report:
    return Report("a", "b", direction, workloads or ("*",), "it was said", "https://example.org")


@pytest.mark.parametrize(
    ("direction", "by", "seen"),
    [
        ("slower", -0.1, "seen"),
        ("slower", 0.1, "opposite"),
        ("slower", 0.0, "not seen"),
        ("faster", 0.1, "seen"),
        ("faster", -0.1, "opposite"),
        ("same", 0.0, "seen"),
        ("same", -0.2, "opposite"),
        ("same", -0.05, "not seen"),
    ],
)
def test_a_report_is_compared_by_its_direction(direction: str, by: float, seen: str) -> None:
    (compared,) = ladder({"softmax": {"a": QUIET, "b": shifted(by)}}, reported=[report(direction)]).reports
    assert compared.seen == seen


def test_a_report_about_what_was_not_measured_says_so() -> None:
    figures: dict[str, Figures] = {"a": QUIET, "b": "it fails"}
    reports = ladder({"softmax": figures}, reported=[report("slower"), report("slower", "lstm*")]).reports
    assert [(each.workload, each.seen) for each in reports] == [("softmax", "not measured"), ("", "not measured")]
