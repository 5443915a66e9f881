"""The recipe for ImageNet on the record files of --perf-train-rec and --perf-imagenet-rec: 90 epochs, then top-1."""

from collections.abc import Callable

import pytest

from perf.checks import CheckResult
from perf.dist.data import load
from perf.dist.recipe import RecipeTask, check_top1, count_records, train
from perf.plugin.options import OPTIONS
from perf.plugin.setup import Setup
from perf.report.charts import write_accuracy_curves

ROLE = "mkl-dist"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    options = metafunc.config.stash[OPTIONS]
    metafunc.parametrize("network", options.models or [load().recipe.network])


@pytest.mark.accuracy(ROLE)
def test_recipe(network: str, setup: Setup, answered: Callable[[CheckResult], None]) -> None:
    options, resources, recipe = setup.options, setup.resources, load().recipe
    assert options.train_rec is not None
    assert options.imagenet_rec is not None
    task = RecipeTask(
        train=options.train_rec,
        held_out=options.imagenet_rec,
        network=network,
        epochs=options.train_epochs or recipe.epochs,
        batch=options.batches[0] if options.batches else recipe.batch,
        examples=count_records(options.train_rec),
    )
    with setup.uncaptured():
        result = train(task, resources.build(ROLE), resources)
        page = resources.cache / f"recipe-{network}.html"
        setup.curves[network] = {result.ranks: result.curve}
        write_accuracy_curves(page, network, {result.ranks: [result.curve]})
        resources.say(f"{network}: trained from epoch {result.resumed_epochs + 1}; accuracy by epoch: {page}")
    answered(check_top1(task, result))
