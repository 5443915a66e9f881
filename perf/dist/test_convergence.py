"""Convergence: training on several ranks comes to what training on one comes to."""

from collections.abc import Callable, Iterator, Mapping

import pytest

from perf.checks import CheckResult
from perf.dist.convergence import ConvergenceRuns, learn, same_accuracy, same_weights
from perf.dist.data import load
from perf.measure.family import Resources
from perf.report.charts import write_accuracy_curves

ROLE = "mkl-dist"
SEVERAL = [ranks for ranks in load().learning.ranks if ranks > 1]
Learned = Mapping[int, ConvergenceRuns]


@pytest.fixture(scope="module")
def learned(resources: Resources) -> Iterator[Learned]:
    """The trainings on each number of ranks; their curves are drawn into the cache."""
    build = resources.build(ROLE)
    found = {ranks: learn(ranks, build, resources) for ranks in load().learning.ranks}
    yield found
    page = resources.cache / "convergence.html"
    write_accuracy_curves(page, "Digits", {ranks: [t.curve for t in trainings] for ranks, trainings in found.items()})
    resources.say(f"Accuracy by epoch, on each number of ranks: {page}")


@pytest.mark.accuracy(ROLE)
@pytest.mark.parametrize("ranks", SEVERAL)
def test_same_weights(ranks: int, learned: Learned, answered: Callable[[CheckResult], None]) -> None:
    answered(same_weights(learned[1], learned[ranks], ranks))


@pytest.mark.accuracy(ROLE)
@pytest.mark.parametrize("ranks", SEVERAL)
def test_same_accuracy(ranks: int, learned: Learned, answered: Callable[[CheckResult], None]) -> None:
    answered(same_accuracy(learned[1], learned[ranks], ranks))
