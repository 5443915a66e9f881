"""Artifacts from a real model zoo: prepared whole, reused, prepared again when damaged, or refused with a reason."""

import hashlib
import json
import multiprocessing
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from perf.builds import Build, process_environment, run
from perf.cache import unfinished
from perf.cnn.artifacts.prepare import FILES, Artifacts, prepare
from perf.cnn.artifacts.releases import program_for
from perf.cnn.artifacts.store import MANIFEST, Manifest
from perf.cnn.digits.check import train_network
from perf.cnn.digits.dataset import settings
from perf.cnn.networks import catalogue
from perf.errors import PerfError
from perf.measure.family import Resources
from tests.conftest import SmallDisk
from tests.integration.cnn.conftest import NETWORK, Prepare


def stamps(folder: Path) -> dict[str, tuple[int, int]]:
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.iterdir()}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_artifacts_are_four_files_and_their_manifest(tiny: Artifacts, builds: Mapping[str, Build]) -> None:
    assert {path.name for path in tiny.folder.iterdir()} == {*FILES, MANIFEST}
    manifest = msgspec.json.decode((tiny.folder / MANIFEST).read_bytes(), type=Manifest)
    assert manifest == tiny.manifest
    assert manifest.sha256 == {name: digest(tiny.folder / name) for name in FILES}
    assert manifest.settings["image_size"] == 32
    assert manifest.settings["zoo"] == builds["zoo"].folder.name
    assert manifest.result["layers"] > 20
    assert 0.01 < manifest.result["smallest_spread"] <= manifest.result["largest_spread"] < 100
    assert tiny.params("int8").stat().st_size < tiny.params("fp32").stat().st_size


def test_prepared_artifacts_are_reused_and_leftovers_removed(tiny: Artifacts, make: Prepare) -> None:
    before = stamps(tiny.folder)
    leftover = unfinished(tiny.folder.parent, tiny.folder.name)
    leftover.mkdir()
    said: list[str] = []
    assert make(tiny.manifest.settings["network"], say=said.append) == tiny
    assert (stamps(tiny.folder), said) == (before, [])
    assert not leftover.exists()


def prepare_elsewhere(zoo: Build, cache: Path) -> tuple[Artifacts, list[str]]:
    said: list[str] = []
    artifacts = prepare(
        "cifar_resnet20_v1",
        zoo=zoo,
        threads=2,
        cache=cache,
        pretrained=False,
        calibration="naive",
        say=said.append,
    )
    return artifacts, said


def test_two_processes_at_once_prepare_a_truncated_file_once(
    tiny: Artifacts, builds: Mapping[str, Build], cache: Path
) -> None:
    os.truncate(tiny.params("fp32"), 1000)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        (one, one_said), (other, other_said) = pool.starmap(prepare_elsewhere, [(builds["zoo"], cache)] * 2)
    assert one == other
    assert one.folder == tiny.folder
    assert sorted([*one_said, *other_said]) == [
        f"{tiny.folder.name}: it is not used, and made again, because fp32.params was changed: its sha256 is not the "
        f"one in {MANIFEST}",
        f"{tiny.folder.name}: waiting for another session that is making or checking it",
        "preparing cifar_resnet20_v1: export, calibration (naive), quantisation",
    ]
    assert one.manifest.sha256["fp32.params"] == tiny.manifest.sha256["fp32.params"] == digest(tiny.params("fp32"))
    assert [path.name for path in tiny.folder.parent.glob("*cifar_resnet20_v1-*") if path.suffix != ".lock"] == [
        tiny.folder.name
    ]


def test_a_release_that_quantises_itself_does_so_on_the_images_of_the_zoo(
    tiny: Artifacts, resources: Resources
) -> None:
    """The same release in another build makes the files of `zoo` again: it had the same network and images."""
    artifacts = replace(tiny, quantised_by="the content of another wheel")
    own = replace(resources, cache=tiny.folder.parents[1])
    data = catalogue().variants["mkl-int8"]
    program = program_for(data, artifacts, own)
    assert program.problem is None
    assert program.symbol.parent != tiny.folder
    assert program.content == tiny.program(data).content
    assert program.label.startswith(f"{NETWORK}-1.5.0-")


def test_only_attributes_with_the_value_that_a_release_computes_are_dropped(
    tiny: Artifacts, builds: Mapping[str, Build]
) -> None:
    def attributes(unknown: Mapping[str, Mapping[str, str]]) -> set[str]:
        program = "import json, sys; from perf.worker.graph_surgery import load_symbol as load; "
        program += "print(load(sys.argv[1], json.loads(sys.argv[2])).tojson())"
        command = [str(builds["mkl"].python), "-c", program, str(tiny.symbol("fp32")), json.dumps(unknown)]
        finished = run(command, environment=process_environment(builds["mkl"], 1), timeout_s=60, subject="loading")
        nodes = json.loads(finished.stdout)["nodes"]
        return {f"{node['op']} {name}" for node in nodes if node["op"] != "null" for name in node.get("attrs", {})}

    whole = attributes({})
    assert whole - attributes({"Pooling": {"layout": "NCHW", "pool_type": "max"}}) == {"Pooling layout"}
    assert attributes({"Pooling": {"layout": "NHWC"}}) == whole


@pytest.mark.parametrize(
    ("network", "problem"),
    [
        ("cifar_resnet20", r"GluonCV has no network 'cifar_resnet20'; near: .*cifar_resnet20_v1"),
        ("mobile_pose_mobilenet1.0", r"is not a classification network: its output is not \(images, classes\)"),
    ],
)
def test_what_cannot_be_measured_is_refused(make: Prepare, network: str, problem: str) -> None:
    with pytest.raises(PerfError, match=problem) as caught:
        make(network)
    assert caught.value.subject == network
    assert caught.value.next_step == "name another network with --perf-model"


def test_a_full_disk_is_an_error_and_leaves_nothing(make: Prepare, small_disk: SmallDisk) -> None:
    cache, _ = small_disk
    (cache / "filler").write_bytes(b"0" * 19 * 2**20)
    with pytest.raises(PerfError, match=r"networks: the cache cannot be written to: No space left on device") as caught:
        make(NETWORK, cache=cache)
    assert str(caught.value.next_step).startswith("free some space there, or choose another folder with --perf-cache")
    (left,) = (cache / "networks").iterdir()
    assert re.fullmatch(r"cifar_resnet20_v1-\w+\.lock", left.name)


def test_weights_of_another_network_are_refused(make: Prepare, resources: Resources, tmp_path: Path) -> None:
    network = settings().network
    weights = train_network(resources, settings()) / f"{network}.params"
    (tmp_path / "cifar_resnet56_v1.params").write_bytes(weights.read_bytes())
    with pytest.raises(PerfError, match=r"cifar_resnet56_v1\.params do not fit it ") as caught:
        make("cifar_resnet56_v1", weights=tmp_path)
    assert caught.value.next_step is not None
    assert caught.value.next_step.startswith("save them with save_parameters of this very network")


def test_trained_weights_that_cannot_be_fetched_are_an_error(
    make: Prepare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # GluonCV keeps weights there
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # nobody listens
    with pytest.raises(PerfError, match=r"its pretrained weights could not be fetched \(.*proxy"):
        make("cifar_resnet20_v1", pretrained=True)
