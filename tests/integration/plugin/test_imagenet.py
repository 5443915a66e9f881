"""--perf-imagenet-rec and --perf-weights from end to end, with handwritten digits in the place of ImageNet's images."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from perf.builds import Build, process_environment
from perf.builds import run as run_program
from perf.cnn.artifacts.prepare import Artifacts, fp32_and_int8
from perf.cnn.digits.check import classify, train_network
from perf.cnn.digits.dataset import dataset, grey_images, settings, shuffled_order
from perf.cnn.imagenet.evaluate import evaluate, prepare_imagenet, record_reading
from perf.cnn.imagenet.protocol import check_accuracy, split_records
from perf.cnn.imagenet.records import classify_records
from perf.cnn.networks import INPUT
from perf.measure.family import Resources
from tests.integration.cnn.test_digits import swapped
from tests.support.session import Finished, run, run_all

pytestmark = pytest.mark.real

NETWORK = settings().network
TEST_IMAGES = settings().test_images
USAGE_ERROR = 4
SESSION = ("perf/cnn", f"--perf-model={NETWORK}", "-m", "accuracy", "-k", "imagenet")


def pack(folder: Path, name: str, labels: np.ndarray, zoo: Build) -> Path:
    """A record file of the digits' test images, as PNG, with these labels."""
    images, file = folder / f"{name}.npz", folder / f"{name}.rec"
    np.savez(images, images=grey_images()[shuffled_order()[:TEST_IMAGES]], labels=labels)
    command = [str(zoo.python), "-m", "tests.integration.cnn.pack_digits", str(images), str(file)]
    finished = run_program(command, environment=process_environment(zoo, 1), timeout=60, subject=name)
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


def test_a_session_tells_the_accuracy_of_the_images_that_are_not_skipped(
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
        n for found in classify_records(fp32, record_reading(32, numbered), INPUT, 4, resources) for n in found.labels
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


def test_two_swapped_classes_in_int8_are_seen(
    packed: Path, artifacts: Artifacts, builds: Mapping[str, Build], resources: Resources, tmp_path: Path
) -> None:
    fp32, int8 = fp32_and_int8(swapped(artifacts, builds["zoo"], tmp_path), resources)
    told: list[tuple[str, float]] = []
    found = [
        evaluate(variant, NETWORK, packed, resources, lambda *words: told.append(words)) for variant in (fp32, int8)
    ]
    problem = check_accuracy(NETWORK, *found).problem
    assert problem is not None
    assert "points below FP32, more than 1.11" in problem
    assert told[-1][1] == 1


def test_weights_that_are_missing_or_of_another_network_are_told(packed: Path, weights: Path, tmp_path: Path) -> None:
    other = tmp_path / "weights"
    other.mkdir()
    (other / "cifar_resnet56_v1.params").write_bytes((weights / f"{NETWORK}.params").read_bytes())
    words = (f"--perf-imagenet-rec={packed}", f"--perf-weights={other}", "--perf-model=cifar_resnet56_v1")
    finished = session(tmp_path, *words)
    assert finished.code == 1
    assert "2 failed" in finished.output
    assert f"{NETWORK}: its trained weights {other / NETWORK}.params cannot be read: No such file" in finished.output
    assert f"the trained weights in {other}/cifar_resnet56_v1.params do not fit it (" in finished.output
    assert "next: save them with save_parameters of this very network" in finished.output
    assert "Traceback" not in finished.output


IMPOSSIBLE = {
    (
        "--perf-imagenet-rec=none.rec",
        "--perf-pretrained",
    ): "--perf-imagenet-rec=none.rec: this is no file that can be read",
    ("--perf-imagenet-rec=README.md",): "--perf-imagenet-rec needs trained networks: add --perf-weights=DIR or",
    ("--perf-weights=none",): "--perf-weights=none: there is no such folder",
}


def test_options_that_cannot_work_and_nothing_without_a_record_file(tmp_path: Path) -> None:
    *refused, collected = run_all(tmp_path, [[*SESSION, *options] for options in (*IMPOSSIBLE, ["--collect-only"])])
    for told, finished in zip(IMPOSSIBLE.values(), refused, strict=True):
        assert finished.code == USAGE_ERROR
        assert told in finished.part("ERROR: ", "\n\n")
    assert "test_imagenet" not in collected.output


def test_another_file_is_told(weights: Path, tmp_path: Path) -> None:
    finished = session(tmp_path, "--perf-imagenet-rec=README.md", f"--perf-weights={weights}")
    assert finished.code == 1
    assert "README.md: it is no record file, at byte 0" in finished.output
    assert "next: create it with MXNet's im2rec, or fetch it again" in finished.output
    assert "Traceback" not in finished.output
