"""How often a network classifies images correctly, and whether INT8 is less accurate than allowed. Pure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perf.judge.paired import PairedCounts
from perf.wording import counted

# For each image, whether it is classified correctly: (images,).
Correct = NDArray[np.bool_]


@dataclass(frozen=True)
class AccuracyBounds:
    """Bounds as fractions of the images.

    `fp32_top1`: the lowest top-1 accuracy allowed in FP32; None if any is. `drop`: how far INT8's may be below FP32's.
    """

    fp32_top1: float | None
    drop: float


def correct_within(best: NDArray[np.integer], labels: NDArray[np.integer], k: int = 1) -> Correct:
    """Return, for each image, whether its label is among its `k` best classes.

    `best` (images, classes) holds each image's classes, the best first.
    """
    within: Correct = (best[:, :k] == labels[:, None]).any(axis=1)
    return within


def best_classes(outputs: NDArray[np.floating], k: int = 1) -> NDArray[np.intp]:
    """Return the `k` classes with the largest outputs of each image, (images, k), the largest first."""
    order: NDArray[np.intp] = np.argsort(-outputs, axis=1, kind="stable")[:, :k]
    return order


def paired(first: Correct, second: Correct) -> PairedCounts:
    """Return how two networks agree image by image. Raises ValueError for different numbers of images, or none."""
    if first.shape != second.shape or not first.size:
        raise ValueError(f"{first.size} and {second.size} images cannot be paired")
    return PairedCounts(
        both=int((first & second).sum()),
        first_only=int((first & ~second).sum()),
        second_only=int((~first & second).sum()),
        neither=int((~first & ~second).sum()),
    )


def accuracy_problem(int8_fp32: PairedCounts, bounds: AccuracyBounds) -> str | None:
    """Return what is wrong with INT8 (first) compared with FP32 (second); None if nothing is."""
    problems = []
    fp32_top1 = (int8_fp32.both + int8_fp32.second_only) / int8_fp32.examples
    if bounds.fp32_top1 is not None and fp32_top1 < bounds.fp32_top1:
        problems.append(f"FP32 top-1 is {fp32_top1:.2%}, below {bounds.fp32_top1:.0%}")
    if -int8_fp32.difference > bounds.drop:
        problems.append(
            f"INT8 top-1 is {_points(-int8_fp32.difference)} points below FP32, more than {_points(bounds.drop)}"
        )
    return "; ".join(problems) or None


def difference_text(int8_fp32: PairedCounts) -> str:
    """Return INT8 (first) minus FP32 (second), with its 95 % interval and McNemar's test of their disagreements."""
    low, high = int8_fp32.interval()
    return (
        f"{_points(int8_fp32.difference, sign='+')} [{_points(low, sign='+')}, {_points(high, sign='+')}] points, "
        f"correct in INT8 only {int8_fp32.first_only}, in FP32 only {int8_fp32.second_only}, "
        f"p {int8_fp32.p_value:.2g}, {counted(int8_fp32.examples, 'image')}"
    )


def bounds_text(bounds: AccuracyBounds) -> str:
    """Return what is allowed, for a message."""
    fp32 = [] if bounds.fp32_top1 is None else [f"FP32 at least {bounds.fp32_top1:.0%}"]
    return ", ".join([*fp32, f"INT8 at most {_points(bounds.drop)} points below"])


def _points(fraction: float, sign: str = "") -> str:
    """Return a fraction in percentage points."""
    return f"{fraction * 100:{sign}.2f}"
