"""Finding a build by the content of its wheel: what may be installed for it, and when two wheels are the same."""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path

import pytest

from perf.builds import Build, build_with_content, environment
from perf.builds.data import ROOT
from perf.builds.process import run_uv
from perf.errors import PerfError
from tests.fakes import build

CONTENT = "c" * 64
WHEEL = "tiny-1.0-py3-none-any.whl"


class Provision:
    """Stands in for `provision`: installs nothing, and answers with a build of the content that it is made with."""

    def __init__(self, content: str) -> None:
        self.content = content
        self.installed: list[str] = []

    def __call__(self, role: str, *, override: str, **_: object) -> Build:
        self.installed.append(override)
        return build(role, requirement=override, content_sha256=self.content)


def found(requirement: str, cache: Path, content: str = CONTENT) -> Build | None:
    return build_with_content("mkl", content=content, requirement=requirement, cache=cache, say=print)


@pytest.mark.parametrize(
    "requirement",
    [
        "./evil.whl",
        "evil.whl",
        "evil==1.0",
        "mxnet-evil==1.0",
        "evil==1-1-py3-none-any.whl",
        "{folder}/evil.whl",
        "~/evil.whl",
        ".",
        "./source",
        "https://example.org/mxnet_mkl-1.5.0-py3-none-any.whl",
        "file://{folder}/evil.whl",
        "git+https://example.org/mxnet.git",
        "mxnet-mkl @ file://{folder}/evil.whl",
        "mxnet-mkl@https://example.org/mxnet.whl",
        "mxnet-mkl==1.5.0 @ https://example.org/mxnet.whl",
        "mxnet-mkl==https://example.org/mxnet.whl",
        "-r requirements.txt",
        "--index-url=https://example.org mxnet-mkl==1.5.0",
        "mxnet-mkl==1.5.0 --index-url=https://example.org",
        "-e==1",
        "mxnet-mkl==1.5.0\nevil==1.0",
        "mxnet-mkl==1.5.0\n",
        "mxnet-mkl==1.5.0; python_version > '3'",
        "mxnet-mkl[evil]==1.5.0",
        "mxnet-mkl>=1.5.0",
        "mxnet-mkl==1.*",
        "mxnet-mkl===1.5.0",
        "mxnet-mkl",
        "mxnet-mkl==",
        "==1.5.0",
        "",
    ],
)
def test_only_a_release_from_the_index_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, requirement: str
) -> None:
    """`requirement` comes from a stored run: a file that may come from anywhere."""
    (tmp_path / "evil.whl").write_bytes(b"evil")
    (tmp_path / "source").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    provision = Provision(CONTENT)
    monkeypatch.setattr(environment, "provision", provision)
    assert found(requirement.format(folder=tmp_path), tmp_path / "cache") is None
    assert provision.installed == []
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("requirement", ["mxnet-mkl==1.5.0", "mxnet_mkl==1.6.0b20190821", "mxnet==1.8.0.post0"])
def test_a_release_is_installed_and_must_have_the_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, requirement: str
) -> None:
    for content, same in ((CONTENT, True), ("d" * 64, False)):
        provision = Provision(content)
        monkeypatch.setattr(environment, "provision", provision)
        taken = found(requirement, tmp_path)
        assert provision.installed == [requirement]
        assert (taken is not None) == same


def test_a_release_that_cannot_be_installed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise PerfError("uv pip failed")

    monkeypatch.setattr(environment, "provision", fail)
    with pytest.raises(PerfError, match="uv pip failed"):
        found("mxnet-mkl==1.5.0", tmp_path)


@pytest.mark.parametrize("marker", [b"", b"{}", b"no JSON", b'{"requirement": "mxnet-mkl==1.5.0"}'])
def test_a_cached_build_without_a_whole_marker_is_passed_over(tmp_path: Path, marker: bytes) -> None:
    folder = tmp_path / "builds" / "mkl-0123456789ab"
    folder.mkdir(parents=True)
    (folder / environment.MARKER).write_bytes(marker)
    assert found("./lost.whl", tmp_path) is None


@pytest.mark.real
def test_a_build_in_the_cache_is_found_whatever_its_requirement(native: Build, cache: Path, said: list[str]) -> None:
    for requirement in ("./lost.whl", "https://example.org/lost.whl", "lost==1.0"):
        again = build_with_content(
            "native", content=native.content_sha256, requirement=requirement, cache=cache, say=said.append
        )
        assert again == native
    assert said == []


@pytest.mark.real
def test_a_build_in_another_role_is_not_found(native: Build, cache: Path, said: list[str]) -> None:
    content = native.content_sha256
    assert build_with_content("mkl", content=content, requirement="./lost.whl", cache=cache, say=said.append) is None


def wheel(path: Path, files: Mapping[str, str]) -> Path:
    """A wheel of a package "tiny" with these files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    own = "tiny-1.0.dist-info"
    everything = {
        **files,
        f"{own}/METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
        f"{own}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},{digest(content)},{len(content)}\n" for name, content in everything.items())
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in everything.items():
            archive.writestr(name, content)
        archive.writestr(f"{own}/RECORD", f"{record}{own}/RECORD,,\n")
    return path


def digest(content: str) -> str:
    """A file's hash as RECORD has it."""
    return "sha256=" + urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).decode().rstrip("=")


def content_of(folder: Path, *words: str) -> str:
    """The content of "tiny" as the probe sees it, once uv has installed it into `folder`."""
    done = run_uv("pip", "install", "--target", str(folder), "--no-deps", *words, timeout=60, subject="tiny")
    assert done.code == 0, done.stderr
    ask = "from perf.worker.probe import content_sha256; print(content_sha256('tiny'))"
    variables = {**os.environ, "PYTHONPATH": f"{ROOT}:{folder}"}
    return subprocess.check_output([sys.executable, "-c", ask], env=variables, text=True).strip()


@pytest.mark.real
def test_the_same_wheel_has_the_same_content_wherever_it_comes_from(tmp_path: Path) -> None:
    one = wheel(tmp_path / "one" / WHEEL, {"tiny/__init__.py": "x = 1\n"})
    two = tmp_path / "two" / WHEEL
    two.parent.mkdir()
    shutil.copyfile(one, two)
    content = content_of(tmp_path / "from-one", str(one))
    os.utime(one, (10**9, 10**9))
    assert content_of(tmp_path / "touched", str(one)) == content
    assert content_of(tmp_path / "from-two", str(two)) == content
    assert content_of(tmp_path / "index", "--no-index", "--find-links", str(two.parent), "tiny==1.0") == content
    records = {path.read_text() for path in tmp_path.glob("*/tiny-1.0.dist-info/RECORD")}
    assert len(records) > 1, "RECORD says where a wheel came from, or this test shows nothing"


@pytest.mark.real
def test_a_wheel_that_was_patched_without_its_record_has_another_content(tmp_path: Path) -> None:
    """As when a libmxnet.so is exchanged in a wheel: nobody checks the hashes in RECORD."""
    one = wheel(tmp_path / "one" / WHEEL, {"tiny/__init__.py": "x = 1\n"})
    two = tmp_path / "two" / WHEEL
    two.parent.mkdir()
    with zipfile.ZipFile(one) as whole, zipfile.ZipFile(two, "w") as patched:
        for name in whole.namelist():
            patched.writestr(name, b"x = 2\n" if name == "tiny/__init__.py" else whole.read(name))
    assert content_of(tmp_path / "from-two", str(two)) != content_of(tmp_path / "from-one", str(one))


@pytest.mark.real
@pytest.mark.parametrize(
    "files",
    [
        {"tiny/__init__.py": "x = 2\n"},
        {"tiny/__init__.py": "x = 1\n", "tiny/more.py": ""},
        {"tiny/other.py": "x = 1\n"},
    ],
)
def test_wheels_with_other_files_have_another_content(tmp_path: Path, files: Mapping[str, str]) -> None:
    one = content_of(tmp_path / "from-one", str(wheel(tmp_path / "one" / WHEEL, {"tiny/__init__.py": "x = 1\n"})))
    assert content_of(tmp_path / "from-two", str(wheel(tmp_path / "two" / WHEEL, files))) != one
