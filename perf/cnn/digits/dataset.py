"""scikit-learn's handwritten digits as images of the network's size, and how they are divided."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from perf.cnn.artifacts.images import MEAN, STD
from perf.cnn.checks.top1 import AccuracyBounds
from perf.cnn.networks import catalogue
from perf.files import read_toml

DATA = Path(__file__).with_name("digits.toml")
# scikit-learn's pixels are 0 to 16.
WHITE = 16.0


class DigitsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of `digits.toml`, whose comments give reasons for the values.

    network: the network that is trained.
    test_images: how many images are used neither for training nor for calibration.
    calibration_images: how many of the images for training are used for calibration as well.
    contrast: the lowest and the highest contrast of an image, as fractions of the full contrast.
    seed: the seed of all that is drawn: contrasts, the division of the images, initial weights and the order of images.
    training: the settings of the training program, such as `epochs`, by name.
    bounds: the accuracies that are allowed.
    """

    network: str
    test_images: int
    calibration_images: int
    contrast: tuple[float, float]
    seed: int
    training: dict[str, float | int]
    bounds: AccuracyBounds


@dataclass(frozen=True, eq=False)
class DigitsDataset:
    """The digits, normalised as ImageNet's images are. No image is in both parts.

    `images` (count, 3, size, size) and `labels` (count,) are for training and calibration; `test_images` and
    `test_labels` have the same shapes.
    """

    images: NDArray[np.float32]
    labels: NDArray[np.int64]
    test_images: NDArray[np.float32]
    test_labels: NDArray[np.int64]


@cache
def settings() -> DigitsSettings:
    """Return the content of `digits.toml`, read once."""
    return read_toml(DATA, DigitsSettings)


@cache
def grey_images() -> NDArray[np.uint8]:
    """Return all digits as grey images (1797, size, size) from 0 to 255, enlarged, each with its own contrast and
    brightness.

    Unchanged digits will not do: most of their pixels are equally black. Entropy calibration then clips values that it
    should keep, which costs INT8 three points of FP32's 98.9 %.
    """
    draw = np.random.RandomState(settings().seed)
    size = catalogue().image_size(settings().network) or catalogue().tried_sizes[0]
    grey = enlarge(load_digits().images / WHITE, size)
    contrast = draw.uniform(*settings().contrast, (len(grey), 1, 1))
    darkest = draw.uniform(0, 1 - contrast)
    images: NDArray[np.uint8] = np.rint((darkest + contrast * grey) * 255).astype(np.uint8)
    return images


def enlarge(images: NDArray[np.floating], size: int) -> NDArray[np.floating]:
    """Return square images (count, height, height) as (count, size, size), interpolated between the pixels' centres."""
    height = images.shape[1]
    positions = np.clip((np.arange(size) + 0.5) * height / size - 0.5, 0, height - 1)
    # The weight of each old row in each new row.
    weights = np.maximum(0, 1 - np.abs(positions[:, None] - np.arange(height)))
    enlarged: NDArray[np.floating] = weights @ images @ weights.T
    return enlarged


@cache
def shuffled_order() -> NDArray[np.intp]:
    """Return the indices of all digits, shuffled. The first `test_images` of them are the test images."""
    return np.random.RandomState(settings().seed).permutation(len(grey_images())).astype(np.intp)


@cache
def dataset() -> DigitsDataset:
    """Return the digits, divided."""
    images = (grey_images()[:, None].astype(np.float32) / 255 - MEAN) / STD
    labels: NDArray[np.int64] = load_digits().target
    test, train = np.split(shuffled_order(), [settings().test_images])
    return DigitsDataset(images[train], labels[train], images[test], labels[test])
