"""Convergence: training on several ranks ends with the same weights and accuracy as training on one."""

from collections.abc import Callable, Iterator, Mapping

import pytest

from perf.checks import CheckResult
from perf.dist.convergence import ConvergenceRuns, same_accuracy, same_weights, train_digits
from perf.dist.data import load
from perf.measure.family import Resources
from perf.plugin.setup import Setup
from perf.report.charts import mean_curve, write_accuracy_curves

ROLE = "mkl-dist"
SEVERAL = [ranks for ranks in load().digits.ranks if ranks > 1]
RunsByRanks = Mapping[int, ConvergenceRuns]


@pytest.fixture(scope="module")
def runs(setup: Setup, resources: Resources) -> Iterator[RunsByRanks]:
    """The trainings on each number of ranks. Their curves are written into the cache at the end, and the session's run
    stores them.
    """
    build = resources.build(ROLE)
    runs = {ranks: train_digits(ranks, build, resources) for ranks in load().digits.ranks}
    yield runs
    page = resources.cache / "convergence.html"
    curves = {ranks: [run.curve for run in trained] for ranks, trained in runs.items()}
    setup.curves["digits"] = {ranks: mean_curve(trainings) for ranks, trainings in curves.items()}
    write_accuracy_curves(page, "Digits", curves)
    resources.say(f"Accuracy by epoch and number of ranks: {page}")


@pytest.mark.accuracy(ROLE)
@pytest.mark.parametrize("ranks", SEVERAL)
def test_same_weights(ranks: int, runs: RunsByRanks, answered: Callable[[CheckResult], None]) -> None:
    answered(same_weights(runs[1], runs[ranks], ranks))


@pytest.mark.accuracy(ROLE)
@pytest.mark.parametrize("ranks", SEVERAL)
def test_same_accuracy(ranks: int, runs: RunsByRanks, answered: Callable[[CheckResult], None]) -> None:
    answered(same_accuracy(runs[1], runs[ranks], ranks))
