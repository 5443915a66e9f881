"""--perf-imagenet-rec and --perf-weights from end to end, with handwritten digits in the place of ImageNet's images."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from perf.builds import Build, process_environment
from perf.builds import run as run_program
from perf.cnn.artifacts.prepare import Artifacts
from perf.cnn.artifacts.releases import fp32_and_int8
from perf.cnn.digits.check import classify, train_network
from perf.cnn.digits.dataset import dataset, grey_images, settings, shuffled_order
from perf.cnn.imagenet.evaluate import evaluate, prepare_imagenet, record_reading
from perf.cnn.imagenet.protocol import check_accuracy, split_records
from perf.cnn.imagenet.records import classify_records
from perf.cnn.networks import INPUT
from perf.measure.family import Resources
from tests.integration.cnn.test_digits import swapped
from tests.support.inline import Finished
from tests.support.session import run

NETWORK = settings().network
TEST_IMAGES = settings().test_images
SESSION = ("perf/cnn", f"--perf-model={NETWORK}", "-m", "accuracy", "-k", "imagenet")


def pack(folder: Path, name: str, labels: np.ndarray, zoo: Build) -> Path:
    """A record file of the digits' test images, as PNG, with these labels."""
    images, file = folder / f"{name}.npz", folder / f"{name}.rec"
    np.savez(images, images=grey_images()[shuffled_order()[:TEST_IMAGES]], labels=labels)
    command = [str(zoo.python), "-m", "tests.integration.cnn.pack_digits", str(images), str(file)]
    finished = run_program(command, environment=process_environment(zoo, 1), timeout_s=60, subject=name)
    assert finished.code == 0, finished.stderr
    return file


@pytest.fixture(scope="module")
def packed(builds: Mapping[str, Build], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack(tmp_path_factory.mktemp("packed"), "val", dataset().test_labels, builds["zoo"])


@pytest.fixture(scope="module")
def weights(resources: Resources) -> Path:
    return train_network(resources, settings())


@pytest.fixture(scope="module")
def artifacts(packed: Path, weights: Path, resources: Resources) -> Artifacts:
    return prepare_imagenet(NETWORK, packed, resources, pretrained=False, weights=weights, calibration="naive")


def session(folder: Path, *options: str) -> Finished:
    return run(folder, *SESSION, *options)


def test_a_session_reports_the_accuracy_on_the_evaluated_images(
    packed: Path,
    weights: Path,
    artifacts: Artifacts,
    builds: Mapping[str, Build],
    resources: Resources,
    tmp_path: Path,
) -> None:
    fp32, _ = fp32_and_int8(artifacts, resources)
    # The same images under their own numbers show the order in which a worker sees them.
    numbered = pack(tmp_path, "numbered", np.arange(TEST_IMAGES), builds["zoo"])
    seen = [
        n
        for answers in classify_records(fp32, record_reading(32, numbered), INPUT, 4, resources)
        for n in answers.labels
    ]
    assert sorted(seen) == list(range(TEST_IMAGES))
    assert seen != sorted(seen)
    evaluated = seen[split_records(packed).skipped :]
    top1 = classify(fp32, resources)[evaluated].mean()

    finished = session(tmp_path, f"--perf-imagenet-rec={packed}", f"--perf-weights={weights}")
    assert finished.code == 0, finished.output
    assert "1 passed" in finished.output
    assert f"{NETWORK} mkl-fp32: {len(evaluated)} of {len(evaluated)} images, top-1 {top1:.2%}" in finished.output
    assert f"{NETWORK} mkl-int8: {len(evaluated)} of {len(evaluated)} images" in finished.output
    table = finished.part("Checks of answers", "passed")
    assert re.search(rf"top-1/top-5 .* {NETWORK} .*FP32 {top1 * 100:.2f}/\d", table), table
    assert f"{len(evaluated)} images" in re.sub(r"\s+", " ", table)


@pytest.mark.slow
def test_two_swapped_classes_in_int8_are_reported(
    packed: Path, artifacts: Artifacts, builds: Mapping[str, Build], resources: Resources, tmp_path: Path
) -> None:
    fp32, int8 = fp32_and_int8(swapped(artifacts, builds["zoo"], tmp_path), resources)
    said: list[tuple[str, float]] = []
    results = [
        evaluate(variant, NETWORK, packed, resources, lambda *progress: said.append(progress))
        for variant in (fp32, int8)
    ]
    problem = check_accuracy(NETWORK, *results).problem
    assert problem is not None
    assert "points below FP32, more than 1.11" in problem
    assert said[-1][1] == 1
