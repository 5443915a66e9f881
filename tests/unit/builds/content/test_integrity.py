"""The files of a cached environment are those that were installed, or it is not used."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from perf.builds.integrity import DIGEST, changed_files, record_files

PACKAGES = "lib/python3.11/site-packages"
CHANGES: dict[str, Callable[[Path], object]] = {
    "a file that runs at every start": lambda folder: (folder / PACKAGES / "evil.pth").write_text("import evil\n"),
    "another content": lambda folder: (folder / PACKAGES / "numpy.py").write_text("x = 2\n"),
    "a file that is missing": lambda folder: (folder / PACKAGES / "numpy.py").unlink(),
    "another name": lambda folder: (folder / PACKAGES / "numpy.py").rename(folder / PACKAGES / "numpx.py"),
    "another interpreter": lambda folder: relinked(folder / "bin/python", "/elsewhere/python"),
    "another folder of libraries": lambda folder: relinked(folder / "lib64", "/elsewhere"),
    "a pipe": lambda folder: os.mkfifo(folder / "pipe"),
    "a damaged digest": lambda folder: (folder / DIGEST).write_bytes(b"\xff"),
    "an empty digest": lambda folder: (folder / DIGEST).write_bytes(b""),
}


def relinked(link: Path, target: str) -> None:
    link.unlink()
    link.symlink_to(target)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An environment of one module, recorded."""
    (tmp_path / PACKAGES).mkdir(parents=True)
    (tmp_path / PACKAGES / "numpy.py").write_text("x = 1\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").symlink_to("/usr/bin/python3.11")
    (tmp_path / "lib64").symlink_to("lib")
    record_files(tmp_path)
    return tmp_path


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_noticed(folder: Path, change: str) -> None:
    assert changed_files(folder) is None
    CHANGES[change](folder)
    assert changed_files(folder)


def test_bytecode_that_python_adds_and_another_place_are_no_change(folder: Path) -> None:
    (folder / PACKAGES / "__pycache__").mkdir()
    (folder / PACKAGES / "__pycache__/numpy.cpython-311.pyc").write_bytes(b"code")
    moved = folder.rename(folder.with_name("moved"))
    assert changed_files(moved) is None


def test_what_an_earlier_version_made_is_used(folder: Path) -> None:
    (folder / DIGEST).unlink()
    assert changed_files(folder) is None
