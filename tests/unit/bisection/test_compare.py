"""Steps: the answer on one wheel from its sessions, how often it is wrong, and steps that are stored and resumed."""

import itertools
import math
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from perf.bisection.compare import WheelJudge, steps_of
from perf.bisection.session import INVOCATIONS, Measured
from perf.bisection.state import Bisection, Wheel, begin, opened, read_steps
from perf.errors import PerfError
from perf.runs.tolerances import ToleranceEntry
from tests.support.factories import CASE, MACHINE_CLASS, TOLERANCES, as_run, benchmark, document, measured_side_by_side
from tests.support.factories import stack as made_stack

FIRST = as_run(document(benchmark()))
NEW = made_stack(wheel="d" * 64, requirement="./new.whl")
# Standard deviation of the log ratio between invocations, as quiet machines have it.
SD = 0.004


def bisection_of(count: int) -> Bisection:
    return Bisection(
        case=CASE,
        item=f"perf/cnn/test_inference.py::test_inference[{CASE}]",
        role="mkl",
        tier="quick",
        options=[],
        machine_class=MACHINE_CLASS,
        wheels=[Wheel(*[f"mxnet-mkl==1.{number}"] * 2) for number in range(count)],
    )


def session(values: Sequence[float] | None, **fields: Any) -> Measured:
    """A session of another wheel that measured these log ratios; with None, of the same stack."""
    if values is None:
        run = as_run(document(benchmark()))
    else:
        run = as_run(document(benchmark(stack=NEW, beside=measured_side_by_side(*values, **fields))))
    return Measured(run, run.cases[CASE])


def judge(wheels: int = 7) -> WheelJudge:
    return WheelJudge(FIRST, TOLERANCES, wheels)


class Machine:
    """Measures wheels of these log ratios to the first one; any other cannot be installed. Notes each session."""

    def __init__(self, ratios: Mapping[int, float], seed: int = 1) -> None:
        self.ratios = ratios
        self.sessions: list[tuple[int, int]] = []
        self._random = random.Random(seed)

    def __call__(self, wheel: int, number: int) -> Measured:
        self.sessions.append((wheel, number))
        if wheel not in self.ratios:
            return Measured(problem="build mkl (x): uv pip failed")
        return session([self._random.gauss(self.ratios[wheel], SD) for _ in range(6)])


def test_a_loss_is_slower_and_no_loss_is_not() -> None:
    machine = Machine({1: -0.1, 2: 0.0, 3: 0.1})
    steps = [judge().step(wheel, machine) for wheel in (1, 2, 3)]
    assert [step.answer for step in steps] == ["slower", "not slower", "not slower"]
    assert machine.sessions == [(1, 1), (2, 1), (3, 1)]
    loss = steps[0]
    assert loss.change is not None
    assert loss.change_low is not None
    assert loss.change_high is not None
    assert loss.change_low < loss.change < loss.change_high < 0.95
    assert "confidence that it changed" in loss.reason
    assert "changed: wheel" not in loss.reason


def test_what_a_session_leaves_undecided_is_measured_again_and_judged_together() -> None:
    runs = iter([session([-0.02, -0.06, 0.0]), session([-0.05, -0.05, -0.048] * 4)])
    step = judge().step(1, lambda *_: next(runs))
    assert (step.answer, step.sessions, len(step.values)) == ("slower", 2, 15)


def test_a_wheel_that_no_session_decides_stays_undecided_with_the_reason() -> None:
    step = judge().step(1, lambda *_: session([-0.1, 0.1, 0.0]))
    assert (step.answer, step.sessions) == ("undecided", len(INVOCATIONS))
    assert "cannot be excluded" in step.reason


def test_one_invocation_decides_nothing_however_large_the_loss() -> None:
    runs = iter([session([-0.7]), session([]), session([-0.71])])
    step = judge().step(1, lambda *_: next(runs))
    assert (step.answer, step.values) == ("undecided", [-0.7, -0.71])
    assert step.reason == "it has 2 undisturbed invocations; 3 are needed"


@pytest.mark.parametrize(
    ("measured", "reason"),
    [
        (Measured(problem="build mkl (x): uv pip failed"), "uv pip failed"),
        (Measured(as_run(document()), problem="wrong answers"), "wrong answers"),
    ],
)
def test_a_wheel_that_cannot_be_measured_is_undecided_after_one_session(measured: Measured, reason: str) -> None:
    step = judge().step(1, lambda *_: measured)
    assert (step.answer, step.sessions, step.change) == ("undecided", 1, None)
    assert reason in step.reason


def test_the_first_wheels_own_files_under_another_name_are_not_slower() -> None:
    step = judge().step(1, lambda *_: session(None))
    assert (step.answer, step.change) == ("not slower", None)


def test_a_first_wheel_that_could_not_run_side_by_side_decides_nothing() -> None:
    step = judge().step(1, lambda *_: session([-0.5] * 6, problem="the worker died"))
    assert step.answer == "undecided"
    assert "the worker died" in step.reason


def test_the_error_is_divided_among_all_wheels_and_sessions() -> None:
    """A loss that is significant alone is not when a hundred wheels may be compared."""
    values = [-0.016, -0.02, -0.018, -0.022]
    one, many = judge(1), judge(1000)
    run = session(values)
    assert run.run is not None
    assert run.case is not None
    assert one.verdict(run.run, run.case).kind == "regressed"
    assert many.verdict(run.run, run.case).kind == "inconclusive"


def test_a_loss_of_the_resolution_must_be_excluded_at_the_level_of_the_whole_bisection() -> None:
    measured = session([-0.012, 0.014, -0.013, 0.012])
    assert measured.run is not None
    assert measured.case is not None
    kinds = [judge(wheels).verdict(measured.run, measured.case).kind for wheels in (1, 10**9)]
    assert kinds == ["ok", "inconclusive"]


@pytest.mark.slow
def test_bisections_of_equal_wheels_call_none_slower() -> None:
    wrong = [judge().step(1, Machine({1: 0.0}, seed)).answer for seed in range(300)]
    assert wrong.count("slower") == 0


@pytest.mark.slow
def test_losses_of_the_resolution_are_not_called_ok() -> None:
    answers = [judge().step(1, Machine({1: math.log(0.95)}, seed)).answer for seed in range(300)]
    assert answers.count("not slower") == 0
    assert answers.count("slower") > 290


@pytest.mark.parametrize("first_slower", range(1, 8))
def test_the_first_slower_wheel_is_located_on_a_noisy_machine(tmp_path: Path, first_slower: int) -> None:
    machine = Machine({wheel: -0.06 * (wheel >= first_slower) for wheel in range(8)})
    steps = list(steps_of(tmp_path, bisection_of(8), judge(), machine))
    answers = {step.wheel: step.answer for step in steps}
    assert answers[first_slower] == "slower"
    assert first_slower == 1 or answers[first_slower - 1] == "not slower"
    assert len(steps) <= 4
    assert read_steps(tmp_path, bisection_of(8)) == steps


@pytest.mark.parametrize("stop", range(1, 4))
def test_a_bisection_resumes_after_each_step_and_repeats_none(tmp_path: Path, stop: int) -> None:
    ratios = {wheel: -0.06 * (wheel >= 3) for wheel in range(8)}
    first, second = Machine(ratios), Machine(ratios)
    list(itertools.islice(steps_of(tmp_path, bisection_of(8), judge(), first), stop))
    steps = list(steps_of(tmp_path, bisection_of(8), judge(), second))
    assert [step.wheel for step in steps] == [7, 4, 2, 3]
    assert [wheel for wheel, _ in first.sessions] == [7, 4, 2, 3][:stop]
    assert [wheel for wheel, _ in second.sessions] == [7, 4, 2, 3][stop:]


def test_wheels_that_cannot_be_installed_are_skipped(tmp_path: Path) -> None:
    machine = Machine({wheel: -0.06 * (wheel >= 3) for wheel in (1, 2, 3, 6, 7)})
    answers = {step.wheel: step.answer for step in steps_of(tmp_path, bisection_of(8), judge(), machine)}
    assert (answers[2], answers[3]) == ("not slower", "slower")
    assert answers[4] == "undecided"


def test_a_session_that_fails_stops_the_bisection_and_stores_no_step(tmp_path: Path) -> None:
    def failing(wheel: int, number: int) -> Measured:
        raise PerfError("the session ended with exit code 3", subject=f"wheel-{wheel}-{number}")

    with pytest.raises(PerfError, match="exit code 3"):
        list(steps_of(tmp_path, bisection_of(3), judge(), failing))
    assert list(tmp_path.iterdir()) == []


def test_another_bisection_is_refused_with_what_differs(tmp_path: Path) -> None:
    begin(tmp_path, bisection_of(3))
    begin(tmp_path, bisection_of(3))
    with pytest.raises(PerfError, match=r"holds another bisection: wheels: mxnet-mkl==1.0 .* there, .* here"):
        begin(tmp_path, bisection_of(4))


def test_a_folder_has_one_bisection_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    with opened(folder), pytest.raises(PerfError, match="another bisection is using"), opened(folder):
        pass
    with opened(folder):
        pass


@pytest.mark.parametrize(("marked", "answer"), [({}, "undecided"), ({CASE: ToleranceEntry(0.01, 0.3)}, "not slower")])
def test_the_tolerance_that_the_case_was_marked_with_counts(marked: dict[str, ToleranceEntry], answer: str) -> None:
    measured = session([-0.1, 0.1, -0.09, 0.09, -0.11, 0.11])
    assert measured.run is not None
    context = msgspec.structs.replace(measured.run.perf, tolerances=marked)
    run = msgspec.structs.replace(measured.run, perf=context)
    step = judge().step(1, lambda *_: Measured(run, run.cases[CASE]))
    assert step.answer == answer


def test_a_first_wheel_that_cannot_run_side_by_side_is_named_as_the_reason() -> None:
    step = judge().step(1, lambda _wheel, _session: session([], problem="it did not start"))
    assert step.answer == "undecided"
    assert step.reason == "the first wheel could not run side by side: it did not start"
