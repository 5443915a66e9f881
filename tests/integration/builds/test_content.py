"""Finding a build by the content of its wheel: what may be installed for it, and when two wheels are the same."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from perf.builds import Build, build_with_content
from perf.builds.process import run_uv
from perf.files import ROOT
from tests.support.wheels import wheel

WHEEL = "tiny-1.0-py3-none-any.whl"


def test_a_cached_build_is_reused_for_its_content_whatever_its_requirement(
    native: Build, cache: Path, said: list[str]
) -> None:
    for requirement in ("./lost.whl", "https://example.org/lost.whl", "lost==1.0"):
        again = build_with_content(
            "native", content=native.content_sha256, requirement=requirement, cache=cache, say=said.append
        )
        assert again == native
    assert said == []


def test_a_build_in_another_role_is_not_reused(native: Build, cache: Path, said: list[str]) -> None:
    content = native.content_sha256
    assert build_with_content("mkl", content=content, requirement="./lost.whl", cache=cache, say=said.append) is None


def content_of(folder: Path, *arguments: str) -> str:
    """The content of "tiny" as the probe sees it, once uv has installed it into `folder`."""
    done = run_uv("pip", "install", "--target", str(folder), "--no-deps", *arguments, timeout_s=60, subject="tiny")
    assert done.code == 0, done.stderr
    ask = "from perf.worker.probe import content_sha256; print(content_sha256('tiny'))"
    variables = {**os.environ, "PYTHONPATH": f"{ROOT}:{folder}"}
    return subprocess.check_output([sys.executable, "-c", ask], env=variables, text=True).strip()


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


def test_a_wheel_that_was_patched_without_its_record_has_another_content(tmp_path: Path) -> None:
    """As when a libmxnet.so is exchanged in a wheel: nobody checks the hashes in RECORD."""
    one = wheel(tmp_path / "one" / WHEEL, {"tiny/__init__.py": "x = 1\n"})
    two = tmp_path / "two" / WHEEL
    two.parent.mkdir()
    with zipfile.ZipFile(one) as whole, zipfile.ZipFile(two, "w") as patched:
        for name in whole.namelist():
            patched.writestr(name, b"x = 2\n" if name == "tiny/__init__.py" else whole.read(name))
    assert content_of(tmp_path / "from-two", str(two)) != content_of(tmp_path / "from-one", str(one))


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
