"""The network that the suite trains itself: what it learns from, that it learns the same, and that faults are seen."""

import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import msgspec

from perf.builds import Build, process_environment, run
from perf.cnn.artifacts.prepare import Artifacts
from perf.cnn.artifacts.releases import fp32_and_int8
from perf.cnn.artifacts.store import sha256
from perf.cnn.digits.check import check_top1, classify, prepare_digits, train_network
from perf.cnn.digits.dataset import settings
from perf.measure.family import Resources


def test_training_twice_gives_the_same_weights_bit_for_bit(resources: Resources, tmp_path: Path) -> None:
    short = msgspec.structs.replace(settings(), training={**settings().training, "epochs": 1})

    def weights(name: str) -> str:
        folder = tmp_path / name
        folder.mkdir()
        return sha256(
            train_network(replace(resources, cache=folder, scratch=folder), short) / f"{short.network}.params"
        )

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(weights, ["one", "other"])
    assert one == other


def test_int8_is_near_fp32_and_two_swapped_classes_are_seen(
    resources: Resources, builds: Mapping[str, Build], tmp_path: Path
) -> None:
    artifacts = prepare_digits("naive", resources)
    fp32, int8 = (classify(variant, resources) for variant in fp32_and_int8(artifacts, resources))
    assert check_top1("naive", fp32, int8).problem is None
    _, spoiled = fp32_and_int8(swapped(artifacts, builds["zoo"], tmp_path), resources)
    problem = check_top1("naive", fp32, classify(spoiled, resources)).problem
    assert problem is not None
    assert "points below FP32, more than 0.50" in problem


def swapped(artifacts: Artifacts, zoo: Build, folder: Path) -> Artifacts:
    """A copy of artifacts, two classes of the INT8 network's output swapped."""
    spoiled = replace(artifacts, folder=folder / "spoiled")
    shutil.copytree(artifacts.folder, spoiled.folder)
    command = [str(zoo.python), "-m", "tests.integration.cnn.swap_classes", str(spoiled.params("int8"))]
    assert run(command, environment=process_environment(zoo, 1), timeout_s=60, subject="swapping").code == 0
    return spoiled
