"""Readers of files that users hand in, or that may be damaged: they read them, or name them and say what to do."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perf.builds import data as builds
from perf.builds.environment import MARKER, Marker
from perf.builds.trust import content_of_wheel
from perf.cnn.artifacts.store import MANIFEST, verified_manifest
from perf.cnn.checks.golden import FOLDER as ANSWERS
from perf.cnn.checks.golden import golden_answers
from perf.cnn.imagenet.records import count_images
from perf.cnn.networks import DATA as NETWORKS
from perf.cnn.networks import NetworkCatalogue
from perf.dist.launch.hosts import read_hosts
from perf.dist.recipe import count_records
from perf.errors import PerfError
from perf.files import MAX_BYTES, read_json, read_toml
from perf.measure.journal import NAME as JOURNAL
from perf.measure.journal import Journal
from perf.published import FOLDER as TABLES
from perf.published import ScalingRow, published_rows
from perf.runs.baseline import TOLERANCES
from perf.runs.schema import read_run
from perf.runs.tolerances import read_tolerances
from tests.support.factories import benchmark, document, native
from tests.support.fakes import facts
from tests.support.wheels import wheel

DEEP = 200_000
DEEP_LINE = b'{"header": {"version": 2, "began": "", "conditions": {"x": ' + b"[" * DEEP + b"]" * DEEP + b"}}}\n"
CONDITIONS = {"machine class": "c5.metal"}


@dataclass(frozen=True)
class Reader:
    """The name of a file, its content when it is whole, and what reads it."""

    name: str
    content: bytes
    read: Callable[[Path], Any]


def take_up(path: Path) -> None:
    Journal(path.parent, CONDITIONS).close()


def lines(*contents: object) -> bytes:
    return b"".join(json.dumps(content).encode() + b"\n" for content in contents)


LOCK = b"""[[package]]
name = "mxnet"
version = "1.5.0"
wheels = [{ url = "https://example.org/mxnet-1.5.0-linux_x86_64.whl", hash = "sha256:aaa" }]
sdist = { url = "https://example.org/mxnet-1.5.0.tar.gz", hash = "sha256:bbb" }
"""
READERS = {
    "stored run": Reader("0001_a.json", json.dumps(document(native(), benchmark())).encode(), read_run),
    "tolerances": Reader("tolerances.toml", TOLERANCES.read_bytes(), read_tolerances),
    "journal": Reader(JOURNAL, lines({"header": {"version": 2, "began": "", "conditions": CONDITIONS}}), take_up),
    "answers": Reader(
        "resnet18_v1.json",
        (ANSWERS / "resnet18_v1.json").read_bytes(),
        lambda path: golden_answers(path.stem, path.parent),
    ),
    "hosts": Reader("hosts", b"node1\nnode2:4\n", lambda path: read_hosts(path, 2)),
    "published table": Reader(
        "table1-scaling.csv",
        (TABLES / "table1-scaling.csv").read_bytes(),
        lambda path: published_rows(path.stem, ScalingRow, path.parent),
    ),
    "builds": Reader("builds.toml", builds.DATA.read_bytes(), lambda path: read_toml(path, builds.BuildsFile)),
    "networks": Reader("networks.toml", NETWORKS.read_bytes(), lambda path: read_toml(path, NetworkCatalogue)),
    "project": Reader(
        "pyproject.toml",
        b'[dependency-groups]\nmkl = ["mxnet-mkl==1.5.0", {include-group = "more"}]\nmore = ["numpy"]\n',
        lambda path: builds.group_requirements("mkl", path.parent),
    ),
    "lock": Reader("uv.lock", LOCK, lambda path: builds.locked_source("mxnet", path.parent)),
    "marker of a build": Reader(
        MARKER,
        msgspec.json.encode(Marker("mxnet==1.5.0", None, facts())),
        lambda path: read_json(path, Marker),
    ),
    "index of images": Reader("train.idx", b"0\t0\n1\t512\n", lambda path: count_records(path.with_suffix(".rec"))),
}
# Those to whom no hostile file looks like one that lacks something.
STRICT = {"stored run", "tolerances", "builds", "networks", "marker of a build"}
HOSTILE = {
    "deep JSON": b'{"a":' * DEEP,
    "deep JSON where anything may stand": b'{"perf":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "a deep line": DEEP_LINE,
    "deep TOML": b"a = " + b"[" * DEEP,
    "no UTF-8": b'"\xff\xfe"\n',
    "no UTF-8 in a value": b'{"perf": {"schema": "\xff"}}\n',
    "zeros": bytes(1000) + b"\n",
    "a number without end": b"a" + b"1" * 10_000 + b"\n",
    "a JSON number without end": b'{"perf": {"schema": ' + b"1" * 10_000 + b"}}\n",
}


def outcome(reader: Reader, path: Path) -> PerfError | None:
    """The error of a reader, which names the file and the next step; None when it read it."""
    error = None
    try:
        reader.read(path)
    except PerfError as raised:
        error = raised
    assert error is None or (str(path) in str(error) and error.next_step), error
    return error


def put(reader: Reader, folder: Path, content: bytes) -> Path:
    path = folder / reader.name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", READERS)
def test_a_whole_file_is_read(tmp_path: Path, name: str) -> None:
    reader = READERS[name]
    assert outcome(reader, put(reader, tmp_path, reader.content)) is None


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("name", READERS)
def test_a_hostile_file_is_named(tmp_path: Path, name: str, hostile: str) -> None:
    reader = READERS[name]
    error = outcome(reader, put(reader, tmp_path, HOSTILE[hostile]))
    assert error is not None or name not in STRICT


@pytest.mark.parametrize("name", READERS)
def test_a_huge_file_is_not_read(tmp_path: Path, name: str) -> None:
    reader = READERS[name]
    path = put(reader, tmp_path, b"")
    os.truncate(path, 30 * MAX_BYTES)
    error = outcome(reader, path)
    assert error is not None
    assert "is too large: 1500 MB" in str(error)


@pytest.mark.parametrize("name", READERS)
def test_only_regular_files_are_read(tmp_path: Path, name: str) -> None:
    reader = READERS[name]
    path = tmp_path / reader.name
    os.mkfifo(path)
    error = outcome(reader, path)
    assert error is not None
    assert "it is not a regular file" in str(error)
    path.unlink()
    path.mkdir()
    assert outcome(reader, path) is not None


@st.composite
def damage(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """What may happen to a file: bytes lost, changed, repeated or put in."""
    start, length = draw(st.floats(0, 1)), draw(st.integers(0, 40))
    put_in = draw(
        st.sampled_from([b"", b"\xff", b"\0", b"[" * 5000, b"{", b'"', b"\n", b"-1e999", b"null", b"= ", b"x"])
    )
    return lambda content: content[: int(start * len(content))] + put_in + content[int(start * len(content)) + length :]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@pytest.mark.parametrize("name", READERS)
@given(st.lists(damage(), min_size=1, max_size=3))
def test_a_damaged_file_is_read_or_named(tmp_path: Path, name: str, damages: list[Callable[[bytes], bytes]]) -> None:
    reader = READERS[name]
    content = reader.content
    for damaged in damages:
        content = damaged(content)
    outcome(reader, put(reader, tmp_path, content))


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_damaged_manifest_is_removed_without_an_error(tmp_path: Path, hostile: str) -> None:
    (tmp_path / "network").mkdir()
    (tmp_path / "network" / MANIFEST).write_bytes(HOSTILE[hostile])
    assert verified_manifest(tmp_path / "network", [], {}, print) is None
    assert not (tmp_path / "network").exists()


@given(damage())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
def test_a_damaged_wheel_has_its_old_content_or_none(tmp_path: Path, damaged: Callable[[bytes], bytes]) -> None:
    path = wheel(tmp_path / "mxnet-1-py3-none-any.whl", {"mxnet/__init__.py": "x = 1\n"})
    whole = content_of_wheel(path)
    path.write_bytes(damaged(path.read_bytes()))
    assert content_of_wheel(path) in {whole, None}


@given(st.binary(max_size=64))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
def test_the_images_of_a_damaged_record_file_are_counted_or_it_is_named(tmp_path: Path, content: bytes) -> None:
    reader = Reader("val.rec", b"", count_images)
    outcome(reader, put(reader, tmp_path, content))
