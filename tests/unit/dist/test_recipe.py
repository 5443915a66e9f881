"""The recipe for ImageNet: what of it is judged."""

from pathlib import Path

import pytest

from perf.dist.data import load
from perf.dist.recipe import RecipeResult, RecipeTask, check_top1


def task_of(network: str, epochs: int, examples: int) -> RecipeTask:
    path = Path("train.rec")
    return RecipeTask(train=path, held_out=path, network=network, epochs=epochs, batch=64, examples=examples)


@pytest.mark.parametrize(
    ("top1", "verdict"), [(0.7595, "right"), (0.755, "right"), (0.754, "wrong"), (float("nan"), "wrong")]
)
def test_the_whole_recipe_is_judged(top1: float, verdict: str) -> None:
    whole = load().recipe
    result = RecipeResult([(0.77, top1)] * whole.epochs, 0, 32)
    assert check_top1(task_of(whole.network, whole.epochs, whole.examples), result).verdict == verdict


@pytest.mark.parametrize(
    ("network", "epochs", "examples"),
    [("resnet18_v1", 90, 1281167), ("resnet50_v1", 2, 1281167), ("resnet50_v1", 90, 1000)],
)
def test_anything_else_is_reported_and_not_judged(network: str, epochs: int, examples: int) -> None:
    check = check_top1(task_of(network, epochs, examples), RecipeResult([(0.1, 0.1)] * epochs, 0, 2))
    assert check.verdict == "not judged"
    assert "published: 0.7595 after 90 epochs" in check.observed
