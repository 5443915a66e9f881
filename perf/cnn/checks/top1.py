"""How often a network is right, and whether INT8 costs more of that than it may. Pure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perf.judge.paired import PairedCounts

Right = NDArray[np.bool_]


@dataclass(frozen=True)
class AccuracyBounds:
    """Shares of images: FP32 top-1 at least, None where nothing is asked of it; INT8's drop below it at most."""

    fp32_top1: float | None
    drop: float


def right_within(best: NDArray[np.integer], labels: NDArray[np.integer], k: int = 1) -> Right:
    """Of each image, whether its label is among the first `k` of its classes, `best` (images, classes), best first."""
    within: Right = (best[:, :k] == labels[:, None]).any(axis=1)
    return within


def best_classes(outputs: NDArray[np.floating], k: int = 1) -> NDArray[np.intp]:
    """The `k` largest classes of each row of (images, classes), the largest first."""
    order: NDArray[np.intp] = np.argsort(-outputs, axis=1, kind="stable")[:, :k]
    return order


def paired(first: Right, second: Right) -> PairedCounts:
    """Two networks on the same images. ValueError when they are not as many, or none."""
    if first.shape != second.shape or not first.size:
        raise ValueError(f"{first.size} and {second.size} images cannot be paired")
    return PairedCounts(
        both=int((first & second).sum()),
        first_only=int((first & ~second).sum()),
        second_only=int((~first & second).sum()),
        neither=int((~first & ~second).sum()),
    )


def problem_of(int8_fp32: PairedCounts, limits: AccuracyBounds) -> str | None:
    """What is wrong with INT8 (first) against FP32 (second), if anything."""
    problems = []
    fp32_top1 = (int8_fp32.both + int8_fp32.second_only) / int8_fp32.examples
    if limits.fp32_top1 is not None and fp32_top1 < limits.fp32_top1:
        problems.append(f"FP32 top-1 is {fp32_top1:.2%}, below {limits.fp32_top1:.0%}")
    if -int8_fp32.difference > limits.drop:
        problems.append(
            f"INT8 top-1 is {_points(-int8_fp32.difference)} points below FP32, over {_points(limits.drop)}"
        )
    return "; ".join(problems) or None


def drift_text(int8_fp32: PairedCounts) -> str:
    """INT8 (first) minus FP32 (second), with the 95 % interval and McNemar's test of their disagreements."""
    low, high = int8_fp32.interval()
    return (
        f"{_points(int8_fp32.difference, sign='+')} [{_points(low, sign='+')}, {_points(high, sign='+')}] points, "
        f"right in INT8 only {int8_fp32.first_only}, in FP32 only {int8_fp32.second_only}, p {int8_fp32.p_value:.2g}, "
        f"{int8_fp32.examples} images"
    )


def limits_text(limits: AccuracyBounds) -> str:
    """What is allowed."""
    asked = [] if limits.fp32_top1 is None else [f"FP32 at least {limits.fp32_top1:.0%}"]
    return ", ".join([*asked, f"INT8 at most {_points(limits.drop)} points below"])


def _points(share: float, sign: str = "") -> str:
    return f"{share * 100:{sign}.2f}"
