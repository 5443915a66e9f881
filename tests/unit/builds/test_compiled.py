"""Horovod's wheel: what it is compiled from, when it is rebuilt, and the errors when it cannot be."""

import hashlib
import re
import tarfile
from io import BytesIO
from pathlib import Path

import msgspec
import pytest

from perf.builds import compiled, provision
from perf.builds.compiled import (
    _key,
    _patch,
    _source,
    check_programs,
    compiled_label,
    is_intact,
    record_digest,
)
from perf.builds.data import Compiled, Patch, load, locked_source
from perf.builds.mpi import Mpi
from perf.builds.spec import spec_for
from perf.errors import PerfError, UnavailableError
from tests.support.wheels import wheel

NAME = "horovod"


INTEL = Mpi("intel", "2021.18.1", Path("/opt/mpi"), bundled=False)


@pytest.fixture
def source(tmp_path: Path) -> tuple[str, str]:
    """A source distribution of one file, by its URL and its sha256."""
    content = BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        entry = tarfile.TarInfo("horovod-0/setup.py")
        entry.size = 4
        archive.addfile(entry, BytesIO(b"pass"))
    path = tmp_path / "horovod-0.tar.gz"
    path.write_bytes(content.getvalue())
    return path.as_uri(), hashlib.sha256(content.getvalue()).hexdigest()


def test_the_lock_has_its_source() -> None:
    url, sha256 = locked_source(NAME)
    assert url.endswith("/horovod-0.28.1.tar.gz")
    assert len(sha256) == 64


@pytest.mark.parametrize("missing", ["g++", "cmake"])
def test_a_missing_program_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    for program in load().compiled[NAME].programs.keys() - {missing}:
        (tmp_path / program).symlink_to("/bin/true")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnavailableError, match=f"this machine lacks {re.escape(missing)}\n") as caught:
        check_programs(NAME, "build mkl-dist")
    assert caught.value.next_step is not None
    assert caught.value.next_step.startswith(f"apt-get install {missing} ")


def test_nothing_is_downloaded_for_a_build_that_cannot_be_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_uv = tmp_path / "bin"
    only_uv.mkdir()
    monkeypatch.setenv("PATH", str(only_uv))
    said: list[str] = []
    with pytest.raises(UnavailableError):
        provision("mkl-dist", override=None, cache=tmp_path, say=said.append)
    assert not [path for path in (tmp_path / "builds").iterdir() if path.is_dir()]


def test_the_source_is_unpacked(tmp_path: Path, source: tuple[str, str]) -> None:
    assert (_source(*source, tmp_path / "unpacked", "build") / "setup.py").read_text() == "pass"


def test_a_source_with_another_hash_is_refused(tmp_path: Path, source: tuple[str, str]) -> None:
    with pytest.raises(PerfError, match=r"differs from the one in uv\.lock"):
        _source(source[0], "0" * 64, tmp_path / "unpacked", "build")
    assert not (tmp_path / "unpacked").exists()


def test_a_source_that_cannot_be_downloaded_is_reported(tmp_path: Path) -> None:
    with pytest.raises(PerfError, match="cannot be downloaded") as caught:
        _source((tmp_path / "none.tar.gz").as_uri(), "", tmp_path / "unpacked", "build")
    assert caught.value.next_step == "check the network, then run again"


@pytest.mark.parametrize("times", [1, 3])
def test_a_patch_that_does_not_fit_is_refused(tmp_path: Path, times: int) -> None:
    (tmp_path / "file").write_text("old old")
    doubled = Compiled("mpi", {}, {}, (Patch("file", "old", "new", times),))
    with pytest.raises(PerfError, match=f"has 'old' 2 times instead of {times} time"):
        _patch(tmp_path, doubled, "build")
    assert (tmp_path / "file").read_text() == "old old"


def test_a_patch_that_fits_is_applied(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old old")
    _patch(tmp_path, Compiled("mpi", {}, {}, (Patch("file", "old", "new", 2),)), "build")
    assert (tmp_path / "file").read_text() == "new new"


def test_the_key_depends_on_everything_it_is_compiled_from(tmp_path: Path) -> None:
    horovod = load().compiled[NAME]
    record = tmp_path / "lib/python3.11/site-packages/mxnet_mkl-1.5.0.dist-info/RECORD"
    record.parent.mkdir(parents=True)
    record.write_text("one")
    other = Mpi("open", "4.1.4", Path("/usr"), bundled=False)
    keys = [
        _key(horovod, tmp_path, INTEL, "a"),
        _key(horovod, tmp_path, INTEL, "b"),
        _key(horovod, tmp_path, other, "a"),
        _key(Compiled("mpi", {}, {}, ()), tmp_path, INTEL, "a"),
    ]
    record.write_text("another")
    keys.append(_key(horovod, tmp_path, INTEL, "a"))
    assert len(set(keys)) == len(keys)
    record.write_text("one")
    assert _key(horovod, tmp_path, INTEL, "a") == keys[0]


def test_a_label_names_source_and_patches_by_content(monkeypatch: pytest.MonkeyPatch) -> None:
    label = compiled_label(NAME)
    assert re.fullmatch(r"horovod [0-9a-f]{12}", label)
    assert compiled_label(NAME) == label
    monkeypatch.setattr(compiled, "locked_source", lambda _: ("https://elsewhere", "0" * 64))
    labels = {label, compiled_label(NAME)}
    data = load()
    unpatched = msgspec.structs.replace(data.compiled[NAME], patches=())
    monkeypatch.setattr(compiled, "load", lambda: msgspec.structs.replace(data, compiled={NAME: unpatched}))
    assert len({*labels, compiled_label(NAME)}) == 3


def test_a_different_mpi_makes_a_different_build() -> None:
    assert spec_for("mkl-dist", None).key != spec_for("mkl-dist", None, Path("/usr")).key
    assert spec_for("mkl", None).key == spec_for("mkl", None, Path("/usr")).key


def test_an_override_keeps_the_requirements_of_horovod() -> None:
    installs = spec_for("mkl-dist", "mxnet-mkl==1.5.1").installs
    assert "mxnet-mkl==1.5.1" in installs
    assert {"cloudpickle", "psutil", "pyyaml", "impi-rt==2021.18.1"} <= set(installs)
    assert not [name for name in installs if name.startswith("horovod")]


def test_a_wheel_with_another_content_is_not_used(tmp_path: Path) -> None:
    """It can be unpacked, whoever made it."""
    path = wheel(tmp_path / "horovod-0.28.1-py3-none-any.whl", {"horovod/__init__.py": "x = 1\n"})
    assert not is_intact(path), "its content is not known"
    record_digest(path)
    assert is_intact(path)
    wheel(path, {"horovod/__init__.py": "x = 2\n"})
    assert not is_intact(path)
    path.unlink()
    assert not is_intact(path)
