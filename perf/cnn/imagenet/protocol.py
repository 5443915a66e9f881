"""Accuracy on ImageNet: how the announcement measured it, the figures it published, and what is allowed here."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
import scipy
from numpy.typing import NDArray

from perf.checks import CheckResult
from perf.cnn.checks.top1 import (
    AccuracyBounds,
    accuracy_problem,
    bounds_text,
    correct_within,
    difference_text,
    paired,
)
from perf.cnn.imagenet.records import CLASSES, count_images
from perf.errors import PerfError
from perf.files import read_toml
from perf.published import published_rows
from perf.wording import counted

DATA = Path(__file__).with_name("imagenet.toml")


class EvaluationProtocol(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of `imagenet.toml`, whose comments give sources and reasons for the values.

    mean: the mean of red, green and blue, of pixels from 0 to 255.
    std: their standard deviation.
    shuffle_chunk_seed: the seed that shuffles the chunks of a record file.
    seed: the seed that shuffles the images.
    batch_size: how many images a batch has.
    skipped: how many images at the start are not evaluated.
    evaluated: how many images after them are.
    calibrated: how many of the skipped images are used for calibration.
    preprocess_threads: how many threads decode images.
    batches_an_answer: how many batches a worker classifies before it answers.
    drop_beyond_published: how far INT8's top-1 may be below FP32's beyond the published drop, as a fraction of images.
    fp32_below_published: how far FP32's top-1 may be below the published one, as a fraction of images.
    significance: FP32 is wrong only if so low an accuracy is less probable than this.
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    shuffle_chunk_seed: int
    seed: int
    batch_size: int
    skipped: int
    evaluated: int
    calibrated: int
    preprocess_threads: int
    batches_an_answer: int
    drop_beyond_published: float
    fp32_below_published: float
    significance: float


class PublishedAccuracy(msgspec.Struct, frozen=True):
    """A row of the announcement's table of accuracies, in percent.

    model: the network.
    fp32_top1: top-1 accuracy in FP32.
    fp32_top5: top-5 accuracy in FP32.
    int8_top1: top-1 accuracy in INT8.
    int8_top5: top-5 accuracy in INT8.
    """

    model: str
    fp32_top1: float
    fp32_top5: float
    int8_top1: float
    int8_top5: float


@dataclass(frozen=True)
class RecordSplit:
    """How the images of a record file are divided.

    `skipped`: images at the start that are not evaluated. `evaluated`: images after them. `calibrated`: how many of the
    skipped images are used for calibration.
    """

    skipped: int
    evaluated: int
    calibrated: int


@dataclass(frozen=True, eq=False)
class Predictions:
    """How images were classified: their `labels` (images,) and `best` classes (images, 5), the best first."""

    labels: NDArray[np.int64]
    best: NDArray[np.int64]


@cache
def protocol() -> EvaluationProtocol:
    """Return the content of `imagenet.toml`, read once."""
    return read_toml(DATA, EvaluationProtocol)


@cache
def published() -> Mapping[str, PublishedAccuracy]:
    """Return the announcement's accuracies by network."""
    return {row.model: row for row in published_rows("int8-accuracy", PublishedAccuracy)}


def split_images(images: int) -> RecordSplit:
    """Return how a number of images is divided: as the original did, or in the same proportion if there are fewer.

    Raises ValueError when there are too few.
    """
    rules = protocol()
    skipped = min(rules.skipped, images * rules.skipped // (rules.skipped + rules.evaluated))
    if not skipped:
        raise ValueError(f"{images} images cannot be divided")
    return RecordSplit(skipped, min(rules.evaluated, images - skipped), min(rules.calibrated, skipped))


def split_records(records: Path) -> RecordSplit:
    """Return how a record file is divided. Raises PerfError when it is not a record file or holds too few images."""
    images = count_images(records)
    try:
        return split_images(images)
    except ValueError:
        message = f"it holds only {counted(images, 'image')}"
        raise PerfError(message, subject=str(records), next_step="use a record file with more images") from None


def bounds_of(network: str) -> AccuracyBounds:
    """Return how far INT8's top-1 accuracy may be below FP32's.

    It is the published drop plus `drop_beyond_published`. A network without published figures gets the largest drop.
    """
    drops = {name: row.fp32_top1 - row.int8_top1 for name, row in published().items()}
    return AccuracyBounds(None, drops.get(network, max(drops.values())) / 100 + protocol().drop_beyond_published)


def fp32_problem(network: str, correct: int, images: int) -> str | None:
    """Return what is wrong with the number of images that FP32 classifies correctly; None if nothing is.

    It is wrong when its fraction is below the published one by more than `fp32_below_published`, significantly by a
    binomial test. A network without published figures is never wrong.
    """
    row = published().get(network)
    if row is None:
        return None
    floor = row.fp32_top1 / 100 - protocol().fp32_below_published
    if scipy.stats.binomtest(correct, images, floor, alternative="less").pvalue >= protocol().significance:
        return None
    return (
        f"FP32 top-1 is {correct / images:.1%}, published {row.fp32_top1 / 100:.1%}: "
        "check that the labels are in the order of GluonCV's classes"
    )


def above_chance(predictions: Predictions) -> bool:
    """Return whether predictions are significantly better than the most frequent label as the answer to every image."""
    correct, images = int(correct_within(predictions.best, predictions.labels).sum()), len(predictions.labels)
    chance = np.unique(predictions.labels, return_counts=True)[1].max() / images
    return bool(scipy.stats.binomtest(correct, images, chance, alternative="greater").pvalue < protocol().significance)


def check_accuracy(network: str, fp32: Predictions, int8: Predictions) -> CheckResult:
    """Compare INT8 with FP32 on the same images, and both with the published figures.

    A network without published figures is judged only if it is better than chance in FP32.
    """
    correct = correct_within(fp32.best, fp32.labels)
    pairs = paired(correct_within(int8.best, int8.labels), correct)
    bounds = bounds_of(network)
    figures = f"FP32 {_percent(fp32)}, INT8 {_percent(int8)}: {difference_text(pairs)}"
    if row := published().get(network):
        figures += (
            f"; published FP32 {row.fp32_top1:.2f}/{row.fp32_top5:.2f}, INT8 {row.int8_top1:.2f}/{row.int8_top5:.2f}"
        )
    judged = row is not None or above_chance(fp32)
    problems = [fp32_problem(network, int(correct.sum()), len(correct)), accuracy_problem(pairs, bounds)]
    return CheckResult(
        check="top-1/top-5 on ImageNet, %",
        subject=network,
        observed=figures if judged else f"{figures}; FP32 is no better than one answer for all images",
        allowed=f"{_fp32_text(network)}, {bounds_text(bounds)}" if judged else "",
        problem="; ".join(filter(None, problems)) or None,
    )


def _fp32_text(network: str) -> str:
    row = published().get(network)
    if row is None:
        return "FP32 above chance"
    return f"FP32 at least {row.fp32_top1 - protocol().fp32_below_published * 100:.2f}"


def _percent(predictions: Predictions) -> str:
    """Return top-1 and top-5 accuracy in percent, such as "76.14/92.92"."""
    fractions = (correct_within(predictions.best, predictions.labels, k).mean() for k in (1, CLASSES))
    return "/".join(f"{fraction * 100:.2f}" for fraction in fractions)
