"""Record files are counted, divided as in the announcement, and refused if damaged; and how accuracies are judged."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from perf.cnn.imagenet.protocol import (
    Predictions,
    RecordSplit,
    bounds_of,
    check_accuracy,
    fp32_problem,
    published,
    split_images,
    split_records,
)
from perf.cnn.imagenet.records import MAGIC, count_images
from perf.errors import PerfError


def record(content: bytes, part: int = 0) -> bytes:
    header = MAGIC.to_bytes(4, "little") + (part << 29 | len(content)).to_bytes(4, "little")
    return header + content + bytes(-len(content) % 4)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "val.rec"
    path.write_bytes(b"".join(record(bytes(number)) for number in range(22)))
    return path


def test_an_image_in_several_parts_is_counted_once(file: Path) -> None:
    assert count_images(file) == 22
    with file.open("ab") as stream:
        stream.write(record(b"first", 1) + record(b"middle", 2) + record(b"last", 3))
    assert count_images(file) == 23


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda content: content[:-1], "it ends in the middle of an image, at byte"),
        (lambda content: content + b"end", "it is not a record file, at byte"),
        (lambda content: b"x" + content[1:], "it is not a record file, at byte 0"),
    ],
)
def test_a_damaged_record_file_is_refused(file: Path, spoil: Callable[[bytes], bytes], message: str) -> None:
    file.write_bytes(spoil(file.read_bytes()))
    with pytest.raises(PerfError, match=message) as caught:
        split_records(file)
    assert caught.value.subject == str(file)


def test_a_whole_validation_set_is_divided_as_in_the_announcement() -> None:
    assert split_images(50_000) == split_images(35_200) == RecordSplit(skipped=3_200, evaluated=32_000, calibrated=160)


def test_a_smaller_file_is_divided_in_proportion() -> None:
    assert split_images(3_520) == RecordSplit(skipped=320, evaluated=3_200, calibrated=160)
    assert split_images(797) == RecordSplit(skipped=72, evaluated=725, calibrated=72)


def test_a_file_with_too_few_images_is_refused(file: Path) -> None:
    assert split_records(file) == RecordSplit(skipped=2, evaluated=20, calibrated=2)
    file.write_bytes(b"")
    with pytest.raises(PerfError, match="it holds only 0 images"):
        split_records(file)


def test_the_published_drop_plus_half_a_point_is_allowed() -> None:
    assert len(published()) == 8
    assert bounds_of("resnet50_v1").drop == pytest.approx(0.0016 + 0.005)
    assert bounds_of("mobilenetv2_1.0") == bounds_of("cifar_resnet20_v1")
    assert bounds_of("mobilenetv2_1.0").drop == pytest.approx(0.0061 + 0.005)
    assert bounds_of("mobilenetv2_1.0").fp32_top1 is None


def predictions(right: int, images: int = 1000, classes: int = 10) -> Predictions:
    """Return predictions for labels that are all equally frequent, `right` of which are right."""
    labels = np.arange(images) % classes
    best = np.tile(labels[:, None], (1, 5))
    best[right:] = (best[right:] + 1) % classes
    return Predictions(labels, best)


def test_labels_in_another_order_are_wrong_in_fp32() -> None:
    """INT8 is no worse than FP32 there, so comparing the two finds nothing."""
    shuffled = predictions(1, images=1000, classes=1000)
    result = check_accuracy("mobilenet1.0", shuffled, shuffled)
    assert result.problem == (
        "FP32 top-1 is 0.1%, published 69.8%: check that the labels are in the order of GluonCV's classes"
    )
    assert result.allowed == "FP32 at least 59.76, INT8 at most 0.65 points below"


@pytest.mark.parametrize(
    ("right", "images", "wrong"),
    [(698, 1000, False), (590, 1000, False), (540, 1000, True), (3, 10, False), (0, 10, True)],
)
def test_fp32_may_be_ten_points_below_the_published_figure(right: int, images: int, wrong: bool) -> None:
    assert bool(fp32_problem("mobilenet1.0", right, images)) == wrong


def test_a_network_at_chance_without_published_figures_is_not_judged() -> None:
    at_chance, above_chance = (check_accuracy("vgg11", same, same) for same in (predictions(110), predictions(160)))
    assert (at_chance.verdict, above_chance.verdict) == ("not judged", "right")
    assert at_chance.observed.endswith("; FP32 is no better than one answer for all images")
    assert above_chance.allowed.startswith("FP32 above chance, ")
