"""Accuracy on ImageNet: how the announcement measured it, its figures, and what is allowed here."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from perf.checks import CheckResult
from perf.cnn.checks.top1 import AccuracyBounds, drift_text, limits_text, paired, problem_of, right_within
from perf.cnn.imagenet.records import CLASSES, count_images
from perf.errors import PerfError
from perf.files import read_toml
from perf.published import published_rows

DATA = Path(__file__).with_name("imagenet.toml")


class Protocol(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of `imagenet.toml`."""

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


class Accuracies(msgspec.Struct, frozen=True):
    """A row of the announcement's table, in percent."""

    model: str
    fp32_top1: float
    fp32_top5: float
    int8_top1: float
    int8_top5: float


@dataclass(frozen=True)
class ShareWithInterval:
    """A record file divided: how many of its images are skipped, evaluated after them, and, of those that are skipped,
    calibrated with.
    """

    skipped: int
    evaluated: int
    calibrated: int


@dataclass(frozen=True, eq=False)
class ImageNetAnswers:
    """Labels (images,), and best classes (images, 5), the best first."""

    labels: NDArray[np.int64]
    best: NDArray[np.int64]


@cache
def protocol() -> Protocol:
    """How it is measured, read once."""
    return read_toml(DATA, Protocol)


@cache
def published() -> Mapping[str, Accuracies]:
    """The announcement's accuracies by network."""
    return {row.model: row for row in published_rows("int8-accuracy", Accuracies)}


def share_of(images: int) -> ShareWithInterval:
    """How a file of so many images is divided: as the original did, or in proportion. ValueError for too few."""
    rules = protocol()
    skipped = min(rules.skipped, images * rules.skipped // (rules.skipped + rules.evaluated))
    if not skipped:
        raise ValueError(f"{images} images cannot be divided")
    return ShareWithInterval(skipped, min(rules.evaluated, images - skipped), min(rules.calibrated, skipped))


def share_in(records: Path) -> ShareWithInterval:
    """How a record file is divided. PerfError when it is none, or holds too few images."""
    images = count_images(records)
    try:
        return share_of(images)
    except ValueError:
        raise PerfError(f"it holds {images} images only", subject=str(records), next_step="name another file") from None


def limits_of(network: str) -> AccuracyBounds:
    """How far INT8's top-1 may lie below FP32's: by the published drop, or the largest one, and a little more."""
    drops = {name: row.fp32_top1 - row.int8_top1 for name, row in published().items()}
    return AccuracyBounds(None, drops.get(network, max(drops.values())) / 100 + protocol().drop_beyond_published)


def fp32_problem(network: str, right: int, images: int) -> str | None:
    """What is wrong with so many `right` answers in FP32: significantly fewer than published, and some points fewer.
    None for a network without published figures, too.
    """
    row = published().get(network)
    if row is None:
        return None
    floor = row.fp32_top1 / 100 - protocol().fp32_below_published
    if binomtest(right, images, floor, alternative="less").pvalue >= protocol().significance:
        return None
    return f"FP32 top-1 is {right / images:.1%}, published {row.fp32_top1 / 100:.1%}: are the labels in this order?"


def above_chance(answers: ImageNetAnswers) -> bool:
    """Whether answers are significantly more often right than one answer for all images, the most frequent label."""
    right, images = int(right_within(answers.best, answers.labels).sum()), len(answers.labels)
    chance = np.unique(answers.labels, return_counts=True)[1].max() / images
    return bool(binomtest(right, images, chance, alternative="greater").pvalue < protocol().significance)


def answer_of(network: str, fp32: ImageNetAnswers, int8: ImageNetAnswers) -> CheckResult:
    """The judgement of FP32's and INT8's answers on the same images, beside the published figures. Without these, INT8
    is judged only by an FP32 network that has learned something.
    """
    right = right_within(fp32.best, fp32.labels)
    both = paired(right_within(int8.best, int8.labels), right)
    limits = limits_of(network)
    figures = f"FP32 {_percent(fp32)}, INT8 {_percent(int8)}: {drift_text(both)}"
    if row := published().get(network):
        figures += (
            f"; published FP32 {row.fp32_top1:.2f}/{row.fp32_top5:.2f}, INT8 {row.int8_top1:.2f}/{row.int8_top5:.2f}"
        )
    judged = row is not None or above_chance(fp32)
    problems = [fp32_problem(network, int(right.sum()), len(right)), problem_of(both, limits)]
    return CheckResult(
        check="top-1/top-5 on ImageNet, %",
        subject=network,
        observed=figures if judged else f"{figures}; FP32 is no better than one answer for all images",
        allowed=f"{_fp32_text(network)}, {limits_text(limits)}" if judged else "",
        problem="; ".join(filter(None, problems)) or None,
    )


def _fp32_text(network: str) -> str:
    row = published().get(network)
    if row is None:
        return "FP32 above chance"
    return f"FP32 at least {row.fp32_top1 - protocol().fp32_below_published * 100:.2f}"


def _percent(answers: ImageNetAnswers) -> str:
    shares = (right_within(answers.best, answers.labels, k).mean() for k in (1, CLASSES))
    return "/".join(f"{share * 100:.2f}" for share in shares)
