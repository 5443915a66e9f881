"""Artifacts: made whole, reused, mended, and refused in words a user can act on."""

import hashlib
import multiprocessing
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from perf.builds import Build, Finished
from perf.cache import unfinished
from perf.cnn.artifacts.prepare import FILES, Artifacts, prepare, weights_file
from perf.cnn.artifacts.store import MANIFEST, Manifest, cause_of, verified_manifest
from perf.cnn.networks import catalogue
from perf.errors import PerfError
from tests.integration.cnn.conftest import Prepare
from tests.support.fakes import build


def stamps(folder: Path) -> dict[str, tuple[int, int]]:
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.iterdir()}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A folder as `prepare` leaves it, with four files of arbitrary content."""
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
def test_a_failed_process_says_its_cause_in_one_line(finished: Finished, cause: str) -> None:
    assert cause_of(finished) == cause


def test_a_network_that_is_quantised_already_is_refused_with_the_name_to_use(tmp_path: Path) -> None:
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


def test_a_file_of_weights_is_the_networks_in_any_capitals(tmp_path: Path) -> None:
    assert weights_file(tmp_path, "resnet18_v1") == tmp_path / "resnet18_v1.params"
    file = tmp_path / "ResNet18_v1.params"
    file.touch()
    assert weights_file(tmp_path, "resnet18_v1") == file


def test_without_a_quantised_network_there_is_a_program_that_says_why(whole: Path) -> None:
    artifacts = Artifacts(whole, Manifest({}, {}, {}), no_int8="MXNetError: no")
    fp32, int8 = (artifacts.program(catalogue().variants[name]) for name in ("mkl-fp32", "mkl-int8"))
    assert fp32.problem is None
    assert int8.problem == "the network could not be quantised: MXNetError: no"


@pytest.mark.real
def test_four_files_and_their_manifest(tiny: Artifacts, builds: Mapping[str, Build]) -> None:
    assert {path.name for path in tiny.folder.iterdir()} == {*FILES, MANIFEST}
    manifest = msgspec.json.decode((tiny.folder / MANIFEST).read_bytes(), type=Manifest)
    assert manifest == tiny.manifest
    assert manifest.sha256 == {name: digest(tiny.folder / name) for name in FILES}
    assert manifest.settings["image_size"] == 32
    assert manifest.settings["zoo"] == builds["zoo"].folder.name
    assert manifest.result["layers"] > 20
    assert 0.01 < manifest.result["smallest_spread"] <= manifest.result["largest_spread"] < 100
    assert tiny.params("int8").stat().st_size < tiny.params("fp32").stat().st_size


@pytest.mark.real
def test_a_second_time_reuses_and_removes_what_killed_attempts_left(tiny: Artifacts, make: Prepare) -> None:
    before = stamps(tiny.folder)
    leftover = unfinished(tiny.folder.parent, tiny.folder.name)
    leftover.mkdir()
    said: list[str] = []
    assert make(tiny.manifest.settings["network"], say=said.append) == tiny
    assert (stamps(tiny.folder), said) == (before, [])
    assert not leftover.exists()


def prepare_elsewhere(zoo: Build, cache: Path) -> tuple[Artifacts, list[str]]:
    said: list[str] = []
    found = prepare(
        "cifar_resnet20_v1",
        zoo=zoo,
        threads=2,
        cache=cache,
        pretrained=False,
        calibration="naive",
        say=said.append,
    )
    return found, said


@pytest.mark.real
def test_two_processes_at_once_mend_a_truncated_file_once(
    tiny: Artifacts, builds: Mapping[str, Build], cache: Path
) -> None:
    os.truncate(tiny.params("fp32"), 1000)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        (one, one_said), (other, other_said) = pool.starmap(prepare_elsewhere, [(builds["zoo"], cache)] * 2)
    assert one == other
    assert one.folder == tiny.folder
    assert sorted([*one_said, *other_said]) == [
        f"{tiny.folder.name}: waiting for another session that is making or checking it",
        "preparing cifar_resnet20_v1: export, calibration (naive), quantisation",
    ]
    assert one.manifest.sha256["fp32.params"] == tiny.manifest.sha256["fp32.params"] == digest(tiny.params("fp32"))
    assert [path.name for path in tiny.folder.parent.glob("*cifar_resnet20_v1-*") if path.suffix != ".lock"] == [
        tiny.folder.name
    ]


@pytest.mark.real
@pytest.mark.parametrize(
    ("network", "told"),
    [
        ("cifar_resnet20", r"GluonCV has no network 'cifar_resnet20'; near: .*cifar_resnet20_v1"),
        ("mobile_pose_mobilenet1.0", r"is not a classification network: its output is not \(images, classes\)"),
    ],
)
def test_what_cannot_be_measured_is_refused(make: Prepare, network: str, told: str) -> None:
    with pytest.raises(PerfError, match=told) as caught:
        make(network)
    assert caught.value.subject == network
    assert caught.value.next_step == "name another network with --perf-model"


@pytest.mark.real
def test_trained_weights_that_cannot_be_fetched_are_told(
    make: Prepare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # GluonCV keeps weights there
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # nobody listens
    with pytest.raises(PerfError, match=r"its pretrained weights could not be fetched \(.*proxy"):
        make("cifar_resnet20_v1", pretrained=True)
