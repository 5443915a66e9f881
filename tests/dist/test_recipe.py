"""ImageNet's recipe on a small record file: what was interrupted comes to the same end."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from perf.builds import Build, process_environment
from perf.builds import run as run_program
from perf.dist import recipe
from perf.dist.data import load
from perf.dist.recipe import Run, Trained, answer_of, count_records, train
from perf.machine import Placement
from perf.measure.family import Resources

EXAMPLES = 16


def pack(folder: Path, name: str, count: int, zoo: Build) -> Path:
    file = folder / f"{name}.rec"
    command = [str(zoo.python), "-m", "tests.dist.pack_patterns", str(file), str(count)]
    finished = run_program(command, environment=process_environment(zoo, 1), timeout=60, subject=name)
    assert finished.code == 0, finished.stderr
    return file


@pytest.fixture(scope="module")
def asked(builds: Mapping[str, Build], tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("records")
    records = {name: pack(folder, name, count, builds["zoo"]) for name, count in (("train", EXAMPLES), ("val", 4))}
    return Run(
        train=records["train"],
        held_out=records["val"],
        network="resnet18_v1",
        epochs=2,
        batch=4,
        examples=count_records(records["train"]),
    )


@pytest.mark.real
def test_what_was_interrupted_ends_the_same(
    asked: Run,
    mkl_dist: Build,
    resources: Resources,
    two_seats: Sequence[Placement],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Small images: the recipe's own take ten times as long, and it is the going on that is looked at.
    small = msgspec.structs.replace(load(), recipe=msgspec.structs.replace(load().recipe, size=64, classes=2))
    monkeypatch.setattr(recipe, "load", lambda: small)
    assert asked.examples == EXAMPLES
    found = {}
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
        given = replace(resources, seats=tuple(two_seats), cache=tmp_path / name, scratch=tmp_path)
        if name == "parts":
            first = train(asked, mkl_dist, given, stop_after=1)
            assert (first.begun, len(first.curve)) == (0, 1)
        found[name] = train(asked, mkl_dist, given)
    assert (found["whole"].begun, found["parts"].begun) == (0, 1)
    assert found["whole"].curve == found["parts"].curve
    assert len(found["whole"].curve) == asked.epochs
    kept = [next((tmp_path / name / "checkpoints").glob("*.npz")) for name in found]
    whole, parts = (dict(np.load(path)) for path in kept)
    assert whole.keys() == parts.keys()
    assert all(np.array_equal(whole[name], parts[name]) for name in whole)


def run_of(network: str, epochs: int, examples: int) -> Run:
    path = Path("train.rec")
    return Run(train=path, held_out=path, network=network, epochs=epochs, batch=64, examples=examples)


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
    assert "published: 0.7595 after 90 epochs" in answer.found
