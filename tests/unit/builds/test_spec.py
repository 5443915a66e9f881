"""Overrides of builds, and the keys of their folders."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from perf.builds import parse_overrides, spec
from perf.builds.process import Finished
from perf.builds.spec import spec_for
from perf.errors import PerfError


def test_overrides_are_read_by_role() -> None:
    options = ["mkl=mxnet-mkl==1.5.1", "native = ./some.whl", "zoo=mxnet-mkl"]
    assert parse_overrides(options) == {"mkl": "mxnet-mkl==1.5.1", "native": "./some.whl", "zoo": "mxnet-mkl"}
    assert parse_overrides([]) == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["gpu=mxnet"], "no build 'gpu'"),
        (["mxnet-mkl==1.5.1"], "no build 'mxnet-mkl'"),
        (["mkl"], "no requirement"),
        (["mkl="], "no requirement"),
        (["mkl==1.5.1"], "no requirement"),
        (["mkl=--index-url=http://evil"], "no requirement"),
        (["mkl=a", "mkl=b"], "named twice"),
    ],
)
def test_invalid_overrides_are_refused(options: list[str], message: str) -> None:
    with pytest.raises(PerfError, match=message) as caught:
        parse_overrides(options)
    assert caught.value.next_step


def test_a_locked_spec_has_a_hash_and_a_stable_key() -> None:
    one, two = spec_for("native", None), spec_for("native", None)
    assert one == two
    assert one.locked
    assert one.requirement == "mxnet==1.5.0"
    assert one.wheel_sha256 is not None
    assert spec_for("mkl", None).key != one.key


def test_a_locked_key_depends_on_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    before = spec_for("native", None).key
    monkeypatch.setattr(spec, "run_uv", lambda *_, **__: Finished(0, "mxnet==1.5.0 --hash=sha256:other", ""))
    assert spec_for("native", None).key != before


@dataclass
class OtherPython:
    python: str = "3.12"


def test_a_key_depends_on_python_role_and_requirement(monkeypatch: pytest.MonkeyPatch) -> None:
    one = spec_for("mkl", "mxnet-mkl==1.5.1")
    assert not one.locked
    assert one.installs == ("mxnet-mkl==1.5.1", "numpy==1.23.5")
    different = [spec_for("mkl", "mxnet-mkl==1.6.0"), spec_for("zoo", "mxnet-mkl==1.5.1")]
    monkeypatch.setattr(spec, "load", OtherPython)
    monkeypatch.setattr(spec, "role_named", lambda _, role=one.role: role)
    different.append(spec_for("mkl", "mxnet-mkl==1.5.1"))
    assert len({one.key, *(other.key for other in different)}) == 4


def test_an_override_of_the_zoo_keeps_gluoncv() -> None:
    assert "gluoncv==0.10.5.post0" in spec_for("zoo", "mxnet-mkl").installs


def test_the_key_of_a_wheel_depends_on_its_content_not_its_folder(tmp_path: Path) -> None:
    paths = [tmp_path / folder / "mxnet_mkl-1.5.1-py3-none-any.whl" for folder in ("one", "same", "other")]
    for path, content in zip(paths, (b"x", b"x", b"y"), strict=True):
        path.parent.mkdir()
        path.write_bytes(content)
    one, same, other = (spec_for("mkl", str(path)) for path in paths)
    assert one.key == same.key != other.key
    assert one.installs[0] == str(paths[0])
    assert one.wheel_sha256 == "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"


def test_a_relative_wheel_is_resolved_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "some.whl").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    assert spec_for("mkl", "./some.whl").installs[0] == str(tmp_path / "some.whl")


@pytest.mark.parametrize("override", ["./missing.whl", "./folder", "folder/of/it", "???"])
def test_neither_a_wheel_nor_a_requirement_is_refused(override: str) -> None:
    with pytest.raises(PerfError, match=r"cannot be read: No such file|neither a requirement nor a .whl file"):
        spec_for("mkl", override)


def test_a_broken_lock_shows_the_output_of_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spec, "run_uv", lambda *_, **__: Finished(2, "", "error: Unable to find lockfile\n"))
    with pytest.raises(PerfError, match=r"exit code 2\n  error: Unable to find lockfile\nnext: restore"):
        spec_for("mkl", None)


@pytest.mark.parametrize("sign", ["#", "?"])
def test_a_wheel_that_uv_cannot_find_is_refused(tmp_path: Path, sign: str) -> None:
    folder = tmp_path / f"a{sign}b"
    folder.mkdir()
    (folder / "some.whl").write_bytes(b"x")
    with pytest.raises(PerfError, match=r"a path with # or \? .*\nnext: move the wheel"):
        spec_for("mkl", str(folder / "some.whl"))
