"""ImageNet's recipe: what of it is judged."""

from pathlib import Path

import pytest

from perf.dist.data import load
from perf.dist.recipe import RecipeTask, Trained, answer_of


def run_of(network: str, epochs: int, examples: int) -> RecipeTask:
    path = Path("train.rec")
    return RecipeTask(train=path, held_out=path, network=network, epochs=epochs, batch=64, examples=examples)


@pytest.mark.parametrize(
    ("top1", "verdict"), [(0.7595, "right"), (0.755, "right"), (0.754, "wrong"), (float("nan"), "wrong")]
)
def test_the_whole_recipe_is_judged(top1: float, verdict: str) -> None:
    whole = load().recipe
    trained = Trained([(0.77, top1)] * whole.epochs, 0, 32)
    assert answer_of(run_of(whole.network, whole.epochs, whole.examples), trained).verdict == verdict


@pytest.mark.parametrize(
    ("network", "epochs", "examples"),
    [("resnet18_v1", 90, 1281167), ("resnet50_v1", 2, 1281167), ("resnet50_v1", 90, 1000)],
)
def test_anything_else_is_told_and_not_judged(network: str, epochs: int, examples: int) -> None:
    answer = answer_of(run_of(network, epochs, examples), Trained([(0.1, 0.1)] * epochs, 0, 2))
    assert answer.verdict == "not judged"
    assert "published: 0.7595 after 90 epochs" in answer.observed
