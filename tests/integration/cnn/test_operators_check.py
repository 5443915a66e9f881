"""The check of single operators in real workers: what is spoiled on purpose is reported with a case that replays it."""

import tomllib
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from perf.cnn.operators.arithmetic import why_unknown_arithmetic
from perf.cnn.operators.base import Arrays, OperatorCase
from perf.cnn.operators.check import OperatorOutcome, compare_output, expected_output, run_case
from perf.cnn.operators.kinds import Convolution, FullyConnected, Pooling
from perf.cnn.operators.search import OperatorsFile, SearchResult, search
from perf.cnn.operators.workers import VARIANTS, OperatorWorkers
from perf.measure.family import Resources
from perf.measure.workers.replies import GraphNode

CASE = Convolution(batch=2, channels=8, size=(6, 6), filters=8, kernel=(3, 3), pad=(1, 1))
# Where INT8 is checked at all (perf/cnn/operators/test_operators.py).
CHECKED = [name for name, way in VARIANTS.items() if not way.quantised or not why_unknown_arithmetic()]
INT8 = pytest.mark.skipif("mkl-int8" not in CHECKED, reason="its exact answers are not known on this CPU")


@pytest.fixture(scope="module")
def live(resources: Resources) -> Iterator[OperatorWorkers]:
    with OperatorWorkers(resources) as workers:
        yield workers


def one_channel_scaled(case: OperatorCase) -> Arrays:
    """The parameters, the last output channel's weights 5 % too large."""
    parameters = case.parameters()
    parameters["weight"][-1] *= np.float32(1.05)
    return parameters


class Spoiled(OperatorWorkers):
    """Workers that compute convolutions with another weight than they are given."""

    def run(self, variant: str, case: OperatorCase, **_: Any) -> tuple[tuple[GraphNode, ...], NDArray[np.float32]]:
        return super().run(variant, case, parameters=one_channel_scaled(case))


def finding_of(live: OperatorWorkers, variant: str, case: OperatorCase, **changed: Arrays) -> OperatorOutcome:
    _, output = live.run(variant, case, **changed)
    return compare_output(variant, output, expected_output(case, variant))


def searched(live: OperatorWorkers, seed: int, count: int = 12) -> SearchResult:
    return search("convolution", count, live, lambda _: ["native-fp32"], random_seed=seed)


@pytest.mark.parametrize("variant", CHECKED)
def test_a_sound_convolution_passes(variant: str, live: OperatorWorkers) -> None:
    assert finding_of(live, variant, CASE).problem is None


@pytest.mark.parametrize("variant", CHECKED)
def test_weights_of_one_channel_five_percent_too_large_are_reported(variant: str, live: OperatorWorkers) -> None:
    problem = finding_of(live, variant, CASE, parameters=one_channel_scaled(CASE)).problem
    assert problem is not None
    assert problem.startswith(f"{variant}: ")
    assert ", 7, " in problem.partition("the worst at ")[2], "another channel than the spoiled one"


@INT8
@pytest.mark.parametrize(
    "case",
    [CASE, FullyConnected(batch=3, inputs=(40,), outputs=10), Pooling(batch=1, channels=3, size=(4, 4), pool="max")],
    ids=["convolution", "fully_connected", "pooling"],
)
def test_a_halved_threshold_is_reported(case: OperatorCase, live: OperatorWorkers) -> None:
    halves = {name: array / np.float32(2) for name, array in case.data().items()}
    assert finding_of(live, "mkl-int8", case).problem is None
    assert finding_of(live, "mkl-int8", case, calibration=halves).problem is not None


def test_a_search_reports_a_small_failing_case_that_can_be_kept(resources: Resources) -> None:
    with Spoiled(resources) as spoiled:
        problem = searched(spoiled, seed=1).problem
        assert problem is not None
        entry = problem.partition("add it to perf/cnn/operators/operators.toml:\n")[2]
        (kept,) = msgspec.convert({**tomllib.loads(entry), "cases": {}, "slice_defects": []}, OperatorsFile).examples
        assert run_case(kept, spoiled, ["native-fp32"])[0].problem == problem.partition("\n")[0]
    assert isinstance(kept, Convolution)
    assert (kept.channels, kept.filters) == (1, 1)


def test_the_same_seed_gives_the_same_result(resources: Resources, live: OperatorWorkers) -> None:
    first, second = (searched(live, seed=7) for _ in range(2))
    assert first == second
    assert searched(live, seed=8).ratios != first.ratios
    with Spoiled(resources) as spoiled:
        problems = {searched(spoiled, seed=7).problem for _ in range(2)}
    assert len(problems) == 1


def test_a_kept_case_runs_first_and_fails_as_it_is(resources: Resources) -> None:
    with Spoiled(resources) as spoiled:
        result = search("convolution", 5, spoiled, lambda _: ["native-fp32"], random_seed=1, examples=[CASE])
    assert result.cases == 0
    assert result.problem is not None
    assert repr(CASE) in result.problem


def test_a_worker_that_dies_fails_its_case_and_the_next_case_gets_a_new_one(live: OperatorWorkers) -> None:
    assert finding_of(live, "native-fp32", CASE).problem is None
    live._workers["native"].kill()
    finding = run_case(CASE, live, ["native-fp32"])[0]
    assert finding.problem == "native-fp32: the worker was ended by SIGKILL"
    assert run_case(CASE, live, ["native-fp32"])[0].problem is None


def test_an_error_of_mxnet_is_the_cases_problem(live: OperatorWorkers) -> None:
    """A kernel that does not fit."""
    impossible = Convolution(batch=1, channels=1, size=(1, 1), filters=1, kernel=(3, 3))
    problem = run_case(impossible, live, ["native-fp32"])[0].problem
    assert problem is not None
    assert problem.startswith("native-fp32: MXNetError: ")
