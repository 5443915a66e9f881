"""Trainings that went wrong: gradients summed, data of another rank, parameters not broadcast."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from perf.builds import Build
from perf.dist.convergence import ConvergenceRuns, learn, same_accuracy, same_weights
from perf.dist.data import load
from perf.dist.launch.running import run_job
from perf.machine import Placement
from perf.measure.family import Resources
from perf.measure.workers.instance import WorkerError
from tests.integration.dist.conftest import Launch

RANKS = 2


@pytest.fixture(scope="module", autouse=True)
def short() -> Iterator[None]:
    """Fewer seeds and epochs than are judged: what goes wrong here goes wrong from the first step on."""
    jobs = load()
    learning = msgspec.structs.replace(jobs.learning, seeds=jobs.learning.seeds[:2], epochs=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("perf.dist.convergence.load", lambda: msgspec.structs.replace(jobs, learning=learning))
        yield


@pytest.fixture(scope="module")
def seated(resources: Resources, two_rank_placements: Sequence[Placement]) -> Resources:
    return replace(resources, rank_placements=tuple(two_rank_placements))


@pytest.fixture(scope="module")
def alone(mkl_dist: Build, seated: Resources) -> ConvergenceRuns:
    return learn(1, mkl_dist, seated)


def test_the_same_training_gives_the_same_weights(mkl_dist: Build, seated: Resources, alone: ConvergenceRuns) -> None:
    again = learn(1, mkl_dist, seated)
    assert same_weights(alone, again, 1).problem is None
    assert same_weights(alone, again, 1).found.startswith("0.0e+00 of the largest weight, 0 other answers")
    assert same_accuracy(alone, again, 1).problem is None


def test_summed_gradients_are_seen_in_the_weights(mkl_dist: Build, seated: Resources, alone: ConvergenceRuns) -> None:
    spoiled = learn(RANKS, mkl_dist, seated, "tests.integration.dist.spoiled.summed")
    # Twice the learning rate: accuracy need not show it.
    assert "weights differ from those of one rank" in str(same_weights(alone, spoiled, RANKS).problem)


def test_a_rank_that_trains_on_another_ranks_data_is_seen_in_the_weights(
    mkl_dist: Build, seated: Resources, alone: ConvergenceRuns
) -> None:
    spoiled = learn(RANKS, mkl_dist, seated, "tests.integration.dist.spoiled.doubled")
    assert "weights differ from those of one rank" in str(same_weights(alone, spoiled, RANKS).problem)


def test_ranks_that_start_from_different_parameters_are_named(
    mkl_dist: Build, seated: Resources, alone: ConvergenceRuns
) -> None:
    spoiled = learn(RANKS, mkl_dist, seated, "tests.integration.dist.spoiled.apart")
    assert "ranks ended with different weights: plain-1" in str(same_weights(alone, spoiled, RANKS).problem)
    assert "ranks ended with different weights: normalised-1" in str(same_accuracy(alone, spoiled, RANKS).problem)


def test_broadcasting_after_a_pass_fails_in_mkldnn_layouts(job: Launch, tmp_path: Path) -> None:
    """Known: why parameters are broadcast before the first pass."""
    run_job(job("tests.integration.dist.late", {"early": True}), tmp_path)
    with pytest.raises(WorkerError) as caught:
        run_job(job("tests.integration.dist.late", {"early": False}), tmp_path)
    assert "IsMKLDNNData" in caught.value.what + caught.value.last_words
