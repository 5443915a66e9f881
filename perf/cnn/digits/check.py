"""Drift in accuracy on real data: a network that the suite trains on scikit-learn's handwritten digits."""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from perf.checks import CheckResult
from perf.cnn.artifacts.images import MEAN, STD
from perf.cnn.artifacts.prepare import Artifacts, CalibrationMode, prepare
from perf.cnn.artifacts.store import Task, sha256, stored
from perf.cnn.checks.top1 import (
    AccuracyBounds,
    Right,
    best_classes,
    drift_text,
    limits_text,
    paired,
    problem_of,
    right_within,
)
from perf.cnn.networks import INPUT, catalogue
from perf.files import ROOT, read_toml
from perf.measure.family import Resources
from perf.measure.plan import Program, Variant, Workload
from perf.measure.workers.inspection import inspect

DATA = Path(__file__).with_name("digits.toml")
SCRIPTS = tuple(ROOT / "perf" / "cnn" / name for name in ("digits/train.py", "artifacts/zoo_protocol.py"))
# scikit-learn's digits have pixels of 0 to 16.
WHITE = 16.0


class Handwriting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of `digits.toml`."""

    network: str
    test_images: int
    calibration_images: int
    contrast: tuple[float, float]
    seed: int
    training: dict[str, float | int]
    limits: AccuracyBounds


@dataclass(frozen=True, eq=False)
class Split:
    """Images (count, 3, size, size), normalised as ImageNet's are, and labels (count,); no image is in both parts."""

    images: NDArray[np.float32]
    labels: NDArray[np.int64]
    test_images: NDArray[np.float32]
    test_labels: NDArray[np.int64]


@cache
def handwriting() -> Handwriting:
    """The settings, read once."""
    return read_toml(DATA, Handwriting)


@cache
def pixels() -> NDArray[np.uint8]:
    """All digits as grey images (1797, size, size), from 0 to 255: enlarged, each with a contrast and a brightness of
    its own.

    Not as they are: most of a digit is one and the same black, and entropy calibration's search takes a distribution
    that is nearly all one value for one that may be cut off. It costs INT8 three points there, at FP32's 98.9 %.
    """
    settings = handwriting()
    draw = np.random.RandomState(settings.seed)
    size = catalogue().image_size(settings.network) or catalogue().tried_sizes[0]
    grey = zoom(load_digits().images / WHITE, size)
    contrast = draw.uniform(*settings.contrast, (len(grey), 1, 1))
    darkest = draw.uniform(0, 1 - contrast)
    bright: NDArray[np.uint8] = np.rint((darkest + contrast * grey) * 255).astype(np.uint8)
    return bright


def zoom(images: NDArray[np.floating], size: int) -> NDArray[np.floating]:
    """Square images (count, height, height) enlarged to (count, size, size), linearly between the pixels' centres."""
    height = images.shape[1]
    places = np.clip((np.arange(size) + 0.5) * height / size - 0.5, 0, height - 1)
    # The weight of each old row in each new one.
    weights = np.maximum(0, 1 - np.abs(places[:, None] - np.arange(height)))
    enlarged: NDArray[np.floating] = weights @ images @ weights.T
    return enlarged


@cache
def order() -> NDArray[np.intp]:
    """The digits' numbers, shuffled: the first `test_images` of them are the test images."""
    return np.random.RandomState(handwriting().seed).permutation(len(pixels())).astype(np.intp)


@cache
def split() -> Split:
    """The digits, divided."""
    images = (pixels()[:, None].astype(np.float32) / 255 - MEAN) / STD
    labels: NDArray[np.int64] = load_digits().target
    test, train = np.split(order(), [handwriting().test_images])
    return Split(images[train], labels[train], images[test], labels[test])


def trained(resources: Resources, settings: Handwriting) -> Path:
    """The folder with NETWORK.params, trained when the cache does not hold it. PerfError when that fails."""
    data, file = split(), resources.scratch / "digits.npz"
    np.savez(file, images=data.images, labels=data.labels)
    recipe = {
        "network": settings.network,
        "seed": settings.seed,
        "training": settings.training,
        "data_sha256": hashlib.sha256(data.images.tobytes() + data.labels.tobytes()).hexdigest(),
        "scripts_sha256": sha256(*SCRIPTS),
    }
    task = Task(
        module="digits.train",
        name=f"digits-{settings.network}",
        recipe=recipe,
        files=(f"{settings.network}.params",),
        inputs={"data_file": str(file)},
        doing=f"training {settings.network} on {len(data.images)} handwritten digits",
        otherwise="run again; when it fails again, leave out the checks of digits: -k 'not digits'",
    )
    folder, _ = stored(task, resources.build("zoo"), resources.cores, resources.cache, resources.say)
    return folder


def quantised(calibration: CalibrationMode, resources: Resources) -> Artifacts:
    """The trained network in FP32 and INT8, calibrated on images that it was trained on."""
    settings = handwriting()
    images = resources.scratch / "digits-calibration.npz"
    np.savez(images, allow_pickle=False, **{INPUT: split().images[: settings.calibration_images]})
    return prepare(
        settings.network,
        zoo=resources.build("zoo"),
        threads=resources.cores,
        cache=resources.cache,
        pretrained=True,
        calibration=calibration,
        say=resources.say,
        weights=trained(resources, settings),
        images=images,
    )


def right_in(variant: Variant[Program], resources: Resources) -> Right:
    """Of each test image, whether a variant classifies it right. WorkerError when the worker fails."""
    data = split()
    workload = Workload("digits", {INPUT: data.test_images.shape}, items=len(data.test_images), weight=1.0)
    seen = inspect(variant, [workload], resources, arrays={INPUT: data.test_images})
    return right_within(best_classes(seen.outputs[workload.name][0]), data.test_labels)


def answer_of(calibration: CalibrationMode, fp32: Right, int8: Right) -> CheckResult:
    """The judgement of FP32's and INT8's answers on the test images."""
    both, limits = paired(int8, fp32), handwriting().limits
    return CheckResult(
        check="top-1 on handwritten digits",
        subject=f"{handwriting().network}, {calibration}",
        observed=f"FP32 {fp32.mean():.2%}, INT8 {int8.mean():.2%}: {drift_text(both)}",
        allowed=limits_text(limits),
        problem=problem_of(both, limits),
    )
