"""Record files: counted, divided as the announcement did, and refused when they are none."""

from collections.abc import Callable
from pathlib import Path

import pytest

from perf.cnn.imagenet import Share, limits_of, published, share_in, share_of
from perf.errors import PerfError
from perf.measure.records import MAGIC, count_images


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
        share_in(file)
    assert caught.value.subject == str(file)


def test_a_whole_validation_set_is_divided_as_the_announcement_did() -> None:
    assert share_of(50_000) == share_of(35_200) == Share(skipped=3_200, evaluated=32_000, calibrated=160)


def test_a_smaller_file_is_divided_in_proportion() -> None:
    assert share_of(3_520) == Share(skipped=320, evaluated=3_200, calibrated=160)
    assert share_of(797) == Share(skipped=72, evaluated=725, calibrated=72)


def test_a_file_with_too_few_images_is_told(file: Path) -> None:
    assert share_in(file) == Share(skipped=2, evaluated=20, calibrated=2)
    file.write_bytes(b"")
    with pytest.raises(PerfError, match="it holds 0 images only"):
        share_in(file)


def test_the_published_drop_and_half_a_point_are_allowed() -> None:
    assert len(published()) == 8
    assert limits_of("resnet50_v1").drop == pytest.approx(0.0016 + 0.005)
    assert limits_of("mobilenetv2_1.0") == limits_of("cifar_resnet20_v1")
    assert limits_of("mobilenetv2_1.0").drop == pytest.approx(0.0061 + 0.005)
    assert limits_of("mobilenetv2_1.0").fp32_top1 is None
