"""Prepared artifacts are used when whole, removed when damaged, and refused with what to do next."""

import hashlib
import re
from pathlib import Path

import msgspec
import pytest

from perf.builds import Build, Finished, quantiser_of
from perf.cnn import family
from perf.cnn.artifacts import releases
from perf.cnn.artifacts.prepare import FILES, Artifacts, prepare, weights_file
from perf.cnn.artifacts.releases import program_for
from perf.cnn.artifacts.store import MANIFEST, Manifest, ZooFailedError, ZooTask, verified_manifest
from perf.cnn.checks.layers import fp32_of
from perf.cnn.family import CnnFamily
from perf.cnn.networks import catalogue
from perf.errors import PerfError
from perf.measure.plan import Plan, Program
from tests.support.fakes import build, resources

SETTINGS = {"network": "tiny", "draw": [1, 2.5]}


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
    manifest = Manifest(SETTINGS, {name: digest(folder / name) for name in FILES}, {})
    (folder / MANIFEST).write_bytes(msgspec.json.encode(manifest))
    return folder


def test_a_whole_folder_is_kept(whole: Path) -> None:
    before = stamps(whole)
    said: list[str] = []
    assert verified_manifest(whole, FILES, SETTINGS, said.append) is not None
    assert said == []
    assert stamps(whole) == before


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
@pytest.mark.parametrize("damage", ["missing", "truncated", "other content", "empty"])
def test_a_damaged_folder_is_removed(whole: Path, name: str, damage: str) -> None:
    path = whole / name
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes({"truncated": content[:-1], "other content": b"x" * len(content), "empty": b""}[damage])
    said: list[str] = []
    assert verified_manifest(whole, FILES, SETTINGS, said.append) is None
    assert not whole.exists()
    (line,) = said
    assert line.startswith(f"{whole.name}: it is not used, and made again, because {name} ")
    assert verified_manifest(whole, FILES, SETTINGS, said.append) is None
    assert said == [line], "what is missing is made, and nobody needs to know why"


def test_the_folder_of_another_network_is_not_used_under_this_name(whole: Path) -> None:
    said: list[str] = []
    assert verified_manifest(whole, FILES, {"network": "another"}, said.append) is None
    assert not whole.exists()
    assert said == [f"{whole.name}: it is not used, and made again, because {MANIFEST} is that of other settings"]


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
    assert finished.cause == cause


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


def plan_with(mkl: str, whole: Path, monkeypatch: pytest.MonkeyPatch) -> Plan[Program]:
    """The plan of all variants of a network that 1.5.0 exported and quantised, where the MKL-DNN build is `mkl`."""
    settings = {"mxnet": "1.5.0", "network": "tiny", "image_size": 32}
    artifacts = Artifacts(whole, Manifest(settings, {}, {"draw": []}), quantised_by="a" * 64)
    monkeypatch.setattr(family, "prepare", lambda *_, **__: artifacts)
    versions = {"mkl": mkl}
    lent = resources(whole.parent, lambda role: build(role, mxnet=versions.get(role, "1.5.0")))
    own = CnnFamily(pretrained=False, calibration="naive")
    return own.plan("tiny", own.cases("quick", ["tiny"], [1]), lent)


def test_the_release_that_exported_a_network_runs_its_files(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    native, fp32, int8 = plan_with("1.5.0", whole, monkeypatch).variants
    assert [variant.program.symbol.name for variant in (native, fp32, int8)] == ["fp32.json", "fp32.json", "int8.json"]
    assert [variant.program.subgraph for variant in (native, fp32, int8)] == [None, "MKLDNN", None]
    assert fp32_of(plan_with("1.5.0", whole, monkeypatch)).program == fp32.program


def test_a_release_without_int8_and_fusion_runs_the_rest(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_with("1.3.1", whole, monkeypatch)
    assert [(variant.name, variant.program.subgraph) for variant in plan.variants] == [
        ("native-fp32", None),
        ("mkl-fp32", None),
    ]
    assert plan.unavailable == {"mkl-int8": "not available in mxnet 1.3.1: quantisation with MKL-DNN came with 1.4"}


@pytest.mark.parametrize("version", ["1.4.1", "1.5.0", "1.5.1", "1.6.0", "1.9.1"])
def test_every_other_wheel_quantises_the_network_itself_whatever_version_it_reports(
    version: str, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = []

    def refuse(task: ZooTask, own: Build, *_: object) -> None:
        tasks.append((task, own))
        raise ZooFailedError("MXNetError: no", "", task)

    manifest = {"mxnet": "1.5.0", "network": "tiny", "image_size": 32, "calibration": {"mode": "naive"}}
    monkeypatch.setattr(releases, "obtain", refuse)
    whose = Manifest({**manifest, "exclusions": ["Flatten"]}, {}, {"draw": [1]})
    artifacts = Artifacts(whole, whose, quantised_by="a" * 64)
    folders = {"mkl": Path("/own"), "zoo": Path("/zoo")}
    lent = resources(
        whole.parent, lambda role: build(role, mxnet=version, content_sha256="b" * 64, folder=folders[role])
    )
    program = program_for(catalogue().variants["mkl-int8"], artifacts, lent)
    assert program.problem == f"the network could not be quantised by mxnet {version}: MXNetError: no"
    ((task, own),) = tasks
    assert own.role == "mkl", "the release that runs it makes it"
    assert task.inputs["packages"] == "/zoo", "entropy calibration needs SciPy, which only zoo has"
    assert task.settings["draw"] == [1], "on the images that zoo drew"
    assert task.settings["quantiser"] == msgspec.to_builtins(quantiser_of(version))
