"""Record files: counted, divided as the announcement did, and refused when they are none."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from perf.cnn.imagenet.protocol import (
    ImageNetAnswers,
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


def test_images_are_counted_one_in_several_parts_once(file: Path) -> None:
    assert count_images(file) == 22
    with file.open("ab") as stream:
        stream.write(record(b"first", 1) + record(b"middle", 2) + record(b"last", 3))
    assert count_images(file) == 23


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda content: content[:-1], "it ends in the middle of an image, at byte"),
        (lambda content: content + b"end", "it is no record file, at byte"),
        (lambda content: b"x" + content[1:], "it is no record file, at byte 0"),
    ],
)
def test_what_is_no_record_file_is_told(file: Path, spoil: Callable[[bytes], bytes], told: str) -> None:
    file.write_bytes(spoil(file.read_bytes()))
    with pytest.raises(PerfError, match=told) as caught:
        split_records(file)
    assert caught.value.subject == str(file)


def test_a_whole_validation_set_is_divided_as_the_announcement_did() -> None:
    assert split_images(50_000) == split_images(35_200) == RecordSplit(skipped=3_200, evaluated=32_000, calibrated=160)


def test_a_smaller_file_is_divided_in_proportion() -> None:
    assert split_images(3_520) == RecordSplit(skipped=320, evaluated=3_200, calibrated=160)
    assert split_images(797) == RecordSplit(skipped=72, evaluated=725, calibrated=72)


def test_a_file_with_too_few_images_is_told(file: Path) -> None:
    assert split_records(file) == RecordSplit(skipped=2, evaluated=20, calibrated=2)
    file.write_bytes(b"")
    with pytest.raises(PerfError, match="it holds 0 images only"):
        split_records(file)


def test_the_published_drop_and_half_a_point_are_allowed() -> None:
    assert len(published()) == 8
    assert bounds_of("resnet50_v1").drop == pytest.approx(0.0016 + 0.005)
    assert bounds_of("mobilenetv2_1.0") == bounds_of("cifar_resnet20_v1")
    assert bounds_of("mobilenetv2_1.0").drop == pytest.approx(0.0061 + 0.005)
    assert bounds_of("mobilenetv2_1.0").fp32_top1 is None


def answers(right: int, images: int = 1000, classes: int = 10) -> ImageNetAnswers:
    """ImageNetAnswers of which so many are right, to labels that are all as frequent."""
    labels = np.arange(images) % classes
    best = np.tile(labels[:, None], (1, 5))
    best[right:] = (best[right:] + 1) % classes
    return ImageNetAnswers(labels, best)


def test_labels_in_another_order_are_wrong_in_fp32_too() -> None:
    """Until then they were right: INT8 lost nothing against an FP32 network that knew nothing."""
    shuffled = answers(1, images=1000, classes=1000)
    found = check_accuracy("mobilenet1.0", shuffled, shuffled)
    assert found.problem == "FP32 top-1 is 0.1%, published 69.8%: are the labels in this order?"
    assert found.allowed == "FP32 at least 59.76, INT8 at most 0.65 points below"


@pytest.mark.parametrize(
    ("right", "images", "wrong"),
    [(698, 1000, False), (590, 1000, False), (540, 1000, True), (3, 10, False), (0, 10, True)],
)
def test_fp32_may_be_some_points_below_the_published_figure(right: int, images: int, wrong: bool) -> None:
    assert bool(fp32_problem("mobilenet1.0", right, images)) == wrong


def test_a_network_that_knows_nothing_and_has_no_published_figure_is_not_judged() -> None:
    knows_nothing, knows_something = (check_accuracy("vgg11", given, given) for given in (answers(110), answers(160)))
    assert (knows_nothing.verdict, knows_something.verdict) == ("not judged", "right")
    assert knows_nothing.found.endswith("; FP32 is no better than one answer for all images")
    assert knows_something.allowed.startswith("FP32 above chance, ")
