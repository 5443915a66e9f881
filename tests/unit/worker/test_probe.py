"""The content of an installed distribution: its files, whatever its RECORD says of them."""

import ctypes
import importlib
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import pytest

from perf.worker.probe import content_sha256, has_mkldnn, libraries

FILES = {"tiny/__init__.py": "x = 1\n", "tiny/libtiny.so": "machine code"}
OWN = {"tiny-1.0.dist-info/INSTALLER": "uv"}


class Installed:
    """A distribution "tiny" where Python looks for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.own = folder / "tiny-1.0.dist-info"
        self.own.mkdir()
        (self.own / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")

    def content(self, files: Mapping[str, str], digest: str = "aaa") -> str:
        """Its content once these files are installed, each with this hash in RECORD, in this order."""
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(content)
        self.record(files, digest)
        return content_sha256("tiny")

    def record(self, files: Mapping[str, str], digest: str = "aaa") -> None:
        (self.own / "RECORD").write_text("".join(f"{name},sha256={digest},1\n" for name in files))


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installed:
    monkeypatch.syspath_prepend(str(tmp_path))
    return Installed(tmp_path)


@pytest.mark.parametrize(
    "files",
    [
        FILES,
        OWN | FILES,
        dict(reversed(FILES.items())),
        FILES | {"tiny-1.0.dist-info/INSTALLER": "pip"},
        FILES | OWN | {"tiny-1.0.dist-info/direct_url.json": "{}"},
        FILES | OWN | {"tiny/__pycache__/__init__.cpython-311.pyc": "bytecode"},
    ],
)
def test_origin_and_bytecode_are_no_content(installed: Installed, files: Mapping[str, str]) -> None:
    assert installed.content(files) == installed.content(FILES | OWN)


@pytest.mark.parametrize(
    "files",
    [
        FILES | {"tiny/libtiny.so": "other machine code"},
        FILES | {"tiny/more.py": ""},
        {"tiny/__init__.py": "x = 1\n"},
        {"tiny/__init__.py": "x = 1\n", "tiny/other.so": "machine code"},
        {"tiny/__init__.py": "machine code", "tiny/libtiny.so": "x = 1\n"},
    ],
)
def test_every_other_file_is_content(installed: Installed, files: Mapping[str, str]) -> None:
    whole = installed.content(FILES | OWN)
    assert installed.content({**files, **OWN}) != whole


def test_hashes_in_record_are_not_trusted(installed: Installed) -> None:
    assert installed.content(FILES, digest="aaa") == installed.content(FILES, digest="bbb")


def test_a_missing_file_is_an_error(installed: Installed) -> None:
    installed.content(FILES)
    (installed.folder / "tiny" / "libtiny.so").unlink()
    with pytest.raises(FileNotFoundError):
        content_sha256("tiny")


def test_without_a_record_there_is_no_content(installed: Installed) -> None:
    assert installed.own.exists()
    with pytest.raises(RuntimeError, match="tiny was installed without a RECORD"):
        content_sha256("tiny")


def test_a_distribution_that_is_not_installed_has_no_content() -> None:
    with pytest.raises(metadata.PackageNotFoundError):
        content_sha256("no-such-distribution")


def test_the_libraries_are_mxnets_or_the_systems_and_not_those_of_other_packages() -> None:
    importlib.import_module("numpy")  # it has an OpenBLAS of its own
    try:
        ctypes.CDLL("libgomp.so.1")
    except OSError:
        pytest.skip("libgomp is not installed")
    loaded = libraries(Path(sys.prefix) / "mxnet" / "libmxnet.so")
    assert loaded["OpenMP"].startswith("libgomp.so.1")
    assert "BLAS" not in loaded


def test_without_a_runtime_the_functions_of_the_library_say_whether_it_has_mkldnn() -> None:
    """Only builds have an `mxnet.runtime`; libc, which every process has loaded, stands for a plain libmxnet.so."""
    assert not has_mkldnn(Path("libc.so.6"))
