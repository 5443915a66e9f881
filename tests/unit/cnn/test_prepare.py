"""Prepared artifacts are used when whole, removed when damaged, and refused with what to do next."""

import hashlib
import re
from pathlib import Path

import msgspec
import pytest

from perf.builds import Finished
from perf.cnn.artifacts.prepare import FILES, Artifacts, prepare, weights_file
from perf.cnn.artifacts.store import MANIFEST, Manifest, cause_of, verified_manifest
from perf.cnn.networks import catalogue
from perf.errors import PerfError
from tests.support.fakes import build


def stamps(folder: Path) -> dict[str, tuple[int, int]]:
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.iterdir()}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """Return a folder as `prepare` leaves it, with four files of arbitrary content."""
    folder = tmp_path / "tiny-0123456789ab"
    folder.mkdir()
    for name in FILES:
        (folder / name).write_text(name * 10)
    manifest = Manifest({}, {name: digest(folder / name) for name in FILES}, {})
    (folder / MANIFEST).write_bytes(msgspec.json.encode(manifest))
    return folder


def test_a_whole_folder_is_kept(whole: Path) -> None:
    before = stamps(whole)
    assert verified_manifest(whole, FILES) is not None
    assert stamps(whole) == before


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
@pytest.mark.parametrize("damage", ["missing", "truncated", "other content", "empty"])
def test_a_damaged_folder_is_removed(whole: Path, name: str, damage: str) -> None:
    path = whole / name
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes({"truncated": content[:-1], "other content": b"x" * len(content), "empty": b""}[damage])
    assert verified_manifest(whole, FILES) is None
    assert not whole.exists()


TRACEBACK = """
Traceback (most recent call last):
  File "zoo.py", line 1, in <module>
mxnet.base.MXNetError: [19:40:47] src/mkldnn.cc:190: Unknown MKLDNN format for 4 dimensions: 53
Stack trace:
  [bt] (0) libmxnet.so(+0x25b2ab) [0x7f252aa5b2ab]
"""


@pytest.mark.parametrize(
    ("finished", "cause"),
    [
        (
            Finished(1, "", TRACEBACK),
            "mxnet.base.MXNetError: [19:40:47] src/mkldnn.cc:190: Unknown MKLDNN format for 4 dimensions: 53",
        ),
        (Finished(1, "", "ValueError\n"), "ValueError"),
        (Finished(2, "", "usage: zoo\n"), "exit code 2"),
        (Finished(-9, "", TRACEBACK), "ended by SIGKILL"),
    ],
)
def test_the_cause_of_a_failed_process_is_one_line(finished: Finished, cause: str) -> None:
    assert cause_of(finished) == cause


def test_a_quantised_network_is_refused_with_the_name_to_use(tmp_path: Path) -> None:
    with pytest.raises(PerfError, match="it is quantised already") as caught:
        prepare(
            "resnet50_v1_int8",
            zoo=build("zoo"),
            threads=1,
            cache=tmp_path,
            pretrained=False,
            calibration="naive",
            say=print,
        )
    assert caught.value.next_step == "name the network in FP32: --perf-model=resnet50_v1"


def test_weights_that_are_missing_are_named(tmp_path: Path) -> None:
    missing = f"{re.escape(str(tmp_path))}/resnet18_v1.params cannot be read: No such file"
    with pytest.raises(PerfError, match=missing):
        prepare(
            "resnet18_v1",
            zoo=build("zoo"),
            threads=1,
            cache=tmp_path,
            pretrained=False,
            calibration="naive",
            say=print,
            weights=tmp_path,
        )


def test_a_file_of_weights_belongs_to_the_network_whatever_the_case_of_its_letters(tmp_path: Path) -> None:
    assert weights_file(tmp_path, "resnet18_v1") == tmp_path / "resnet18_v1.params"
    file = tmp_path / "ResNet18_v1.params"
    file.touch()
    assert weights_file(tmp_path, "resnet18_v1") == file


def test_the_program_of_a_missing_quantised_network_says_why_it_is_missing(whole: Path) -> None:
    artifacts = Artifacts(whole, Manifest({}, {}, {}), no_int8="MXNetError: no")
    fp32, int8 = (artifacts.program(catalogue().variants[name]) for name in ("mkl-fp32", "mkl-int8"))
    assert fp32.problem is None
    assert int8.problem == "the network could not be quantised: MXNetError: no"
