"""Overrides and keys."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from perf.builds import parse_overrides, spec
from perf.builds.process import Finished
from perf.builds.spec import spec_for
from perf.errors import PerfError


def test_overrides() -> None:
    given = ["mkl=mxnet-mkl==1.5.1", "native = ./some.whl", "zoo=mxnet-mkl"]
    assert parse_overrides(given) == {"mkl": "mxnet-mkl==1.5.1", "native": "./some.whl", "zoo": "mxnet-mkl"}
    assert parse_overrides([]) == {}


@pytest.mark.parametrize(
    ("given", "told"),
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
def test_overrides_that_cannot_be_meant(given: list[str], told: str) -> None:
    with pytest.raises(PerfError, match=told) as caught:
        parse_overrides(given)
    assert caught.value.next_step


def test_locked_recipe_has_hash_and_stable_key() -> None:
    one, two = spec_for("native", None), spec_for("native", None)
    assert one == two
    assert one.locked
    assert one.requirement == "mxnet==1.5.0"
    assert one.wheel_sha256 is not None
    assert spec_for("mkl", None).key != one.key


def test_locked_key_follows_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    before = spec_for("native", None).key
    monkeypatch.setattr(spec, "run_uv", lambda *_, **__: Finished(0, "mxnet==1.5.0 --hash=sha256:other", ""))
    assert spec_for("native", None).key != before


@dataclass
class OtherPython:
    python: str = "3.12"


def test_key_follows_python_role_and_requirement(monkeypatch: pytest.MonkeyPatch) -> None:
    one = spec_for("mkl", "mxnet-mkl==1.5.1")
    assert not one.locked
    assert one.installs == ("mxnet-mkl==1.5.1", "numpy==1.23.5")
    others = [spec_for("mkl", "mxnet-mkl==1.6.0"), spec_for("zoo", "mxnet-mkl==1.5.1")]
    monkeypatch.setattr(spec, "load", OtherPython)
    monkeypatch.setattr(spec, "role_named", lambda _, role=one.role: role)
    others.append(spec_for("mkl", "mxnet-mkl==1.5.1"))
    assert len({one.key, *(other.key for other in others)}) == 4


def test_zoo_keeps_gluoncv() -> None:
    assert "gluoncv==0.10.5.post0" in spec_for("zoo", "mxnet-mkl").installs


def test_wheel_key_follows_content_not_folder(tmp_path: Path) -> None:
    paths = [tmp_path / folder / "mxnet_mkl-1.5.1-py3-none-any.whl" for folder in ("one", "same", "other")]
    for path, content in zip(paths, (b"x", b"x", b"y"), strict=True):
        path.parent.mkdir()
        path.write_bytes(content)
    one, same, other = (spec_for("mkl", str(path)) for path in paths)
    assert one.key == same.key != other.key
    assert one.installs[0] == str(paths[0])
    assert one.wheel_sha256 == "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"


def test_relative_wheel_is_found_from_where_the_user_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "some.whl").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    assert spec_for("mkl", "./some.whl").installs[0] == str(tmp_path / "some.whl")


@pytest.mark.parametrize("override", ["./missing.whl", "./folder", "folder/of/it", "???"])
def test_neither_wheel_nor_requirement(override: str) -> None:
    with pytest.raises(PerfError, match=r"cannot be read: No such file|no requirement and no .whl file"):
        spec_for("mkl", override)


def test_broken_lock_shows_what_uv_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spec, "run_uv", lambda *_, **__: Finished(2, "", "error: Unable to find lockfile\n"))
    with pytest.raises(PerfError, match=r"exit code 2\n  error: Unable to find lockfile\nnext: restore"):
        spec_for("mkl", None)
