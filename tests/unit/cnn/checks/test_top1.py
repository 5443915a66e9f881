"""How INT8's accuracy is judged."""

import numpy as np
import pytest

from perf.cnn.checks.top1 import (
    AccuracyBounds,
    accuracy_problem,
    best_classes,
    bounds_text,
    correct_within,
    difference_text,
    paired,
)
from perf.judge.paired import PairedCounts

BOUNDS = AccuracyBounds(fp32_top1=0.97, drop=0.005)


def test_the_best_classes_are_in_order_and_the_label_may_be_any_of_them() -> None:
    best = best_classes(np.array([[0.1, 0.7, 0.2], [0.5, 0.2, 0.3]]), 2)
    assert best.tolist() == [[1, 2], [0, 2]]
    labels = np.array([2, 0])
    assert correct_within(best, labels).tolist() == [False, True]
    assert correct_within(best, labels, 2).tolist() == [True, True]


def test_networks_are_paired_image_by_image() -> None:
    first, second = np.array([True, True, True, False]), np.array([True, False, False, False])
    assert paired(first, second) == PairedCounts(both=1, first_only=2, second_only=0, neither=1)


@pytest.mark.parametrize("images", [0, 3])
def test_different_numbers_of_images_cannot_be_paired(images: int) -> None:
    with pytest.raises(ValueError, match=f"{images} and 0 images cannot be paired|3 and 4"):
        paired(np.ones(images, bool), np.ones(4 if images else 0, bool))


@pytest.mark.parametrize(
    ("pair", "problem"),
    [
        (PairedCounts(990, 0, 0, 10), None),
        (PairedCounts(980, 0, 5, 15), None),
        (PairedCounts(980, 0, 6, 14), "INT8 top-1 is 0.60 points below FP32, more than 0.50"),
        (PairedCounts(970, 20, 0, 10), None),  # better than FP32
        (PairedCounts(960, 10, 9, 21), "FP32 top-1 is 96.90%, below 97%"),
        (
            PairedCounts(900, 0, 60, 40),
            "FP32 top-1 is 96.00%, below 97%; INT8 top-1 is 6.00 points below FP32, more than 0.50",
        ),
    ],
)
def test_fp32_must_be_accurate_and_int8_close_to_it(pair: PairedCounts, problem: str | None) -> None:
    assert accuracy_problem(pair, BOUNDS) == problem


def test_without_a_bound_any_fp32_accuracy_is_allowed() -> None:
    assert accuracy_problem(PairedCounts(10, 0, 0, 90), AccuracyBounds(None, 0.005)) is None


def test_a_significant_loss_of_few_images_exceeds_the_bound_too() -> None:
    """Below 1200 images McNemar's test at 5 % adds nothing to the bound: six losses without a gain are half a point."""
    for images in (500, 797, 1199):
        losses = next(n for n in range(images) if PairedCounts(images - n, 0, n, 0).p_value < 0.05)
        assert accuracy_problem(PairedCounts(images - losses, 0, losses, 0), BOUNDS)


def test_the_difference_is_shown_with_its_interval() -> None:
    assert difference_text(PairedCounts(785, 1, 3, 8)) == (
        "-0.25 [-1.01, +0.43] points, correct in INT8 only 1, in FP32 only 3, p 0.62, 797 images"
    )
    assert bounds_text(BOUNDS) == "FP32 at least 97%, INT8 at most 0.50 points below"
    assert bounds_text(AccuracyBounds(None, 0.0066)) == "INT8 at most 0.66 points below"
