"""Trainings that go wrong are reported: gradients summed, data of another rank, parameters not broadcast."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from perf.builds import Build
from perf.dist.convergence import ConvergenceRuns, same_accuracy, same_weights, train_digits
from perf.dist.data import load
from perf.dist.launch.running import run_job
from perf.errors import WorkerError
from perf.machine import Placement
from perf.measure.family import Resources
from tests.integration.dist.conftest import Launch

RANKS = 2


@pytest.fixture(scope="module", autouse=True)
def short() -> Iterator[None]:
    """Fewer seeds and epochs than in the check itself: these faults show from the first step on."""
    jobs = load()
    digits = msgspec.structs.replace(jobs.digits, seeds=jobs.digits.seeds[:2], epochs=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("perf.dist.convergence.load", lambda: msgspec.structs.replace(jobs, digits=digits))
        yield


@pytest.fixture(scope="module")
def two_ranks(resources: Resources, two_rank_placements: Sequence[Placement]) -> Resources:
    return replace(resources, rank_placements=tuple(two_rank_placements))


@pytest.fixture(scope="module")
def one_rank(mkl_dist: Build, two_ranks: Resources) -> ConvergenceRuns:
    return train_digits(1, mkl_dist, two_ranks)


def test_the_same_training_again_is_the_same(mkl_dist: Build, two_ranks: Resources, one_rank: ConvergenceRuns) -> None:
    again = train_digits(1, mkl_dist, two_ranks)
    assert same_weights(one_rank, again, 1).problem is None
    assert same_weights(one_rank, again, 1).observed.startswith(
        "0.0e+00 of the largest weight, 0 different predictions"
    )
    assert same_accuracy(one_rank, again, 1).problem is None


def test_gradients_that_are_summed(mkl_dist: Build, two_ranks: Resources, one_rank: ConvergenceRuns) -> None:
    several = train_digits(RANKS, mkl_dist, two_ranks, "tests.integration.dist.spoiled.summed")
    # Twice the learning rate: accuracy need not show it.
    assert "weights differ from those of one rank" in str(same_weights(one_rank, several, RANKS).problem)


def test_a_rank_that_gets_the_data_of_another(mkl_dist: Build, two_ranks: Resources, one_rank: ConvergenceRuns) -> None:
    several = train_digits(RANKS, mkl_dist, two_ranks, "tests.integration.dist.spoiled.doubled")
    assert "weights differ from those of one rank" in str(same_weights(one_rank, several, RANKS).problem)


def test_parameters_that_are_not_broadcast(mkl_dist: Build, two_ranks: Resources, one_rank: ConvergenceRuns) -> None:
    several = train_digits(RANKS, mkl_dist, two_ranks, "tests.integration.dist.spoiled.apart")
    assert "ranks ended with different weights: plain-1" in str(same_weights(one_rank, several, RANKS).problem)
    assert "ranks ended with different weights: normalised-1" in str(same_accuracy(one_rank, several, RANKS).problem)


def test_broadcasting_after_a_pass_fails_in_mkldnn_layouts(job: Launch, tmp_path: Path) -> None:
    """This is why parameters are broadcast before the first pass."""
    run_job(job("tests.integration.dist.late", {"early": True}), tmp_path)
    with pytest.raises(WorkerError) as caught:
        run_job(job("tests.integration.dist.late", {"early": False}), tmp_path)
    assert "IsMKLDNNData" in caught.value.what + caught.value.last_lines
