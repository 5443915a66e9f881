"""Files are written whole or not at all."""

import os
import resource
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from perf.files import ROOT, put_in_place, write_whole


@contextmanager
def files_limited_to(size: int) -> Iterator[None]:
    """Let the kernel refuse to write files beyond `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.parametrize("content", [b"", b"text\n", bytes(range(256)) * 1000])
def test_content_arrives_and_nothing_else(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "summary.md"
    write_whole(path, content)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_a_reader_keeps_the_old_content_whole(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    write_whole(path, b"old content")
    with path.open("rb") as reader:
        write_whole(path, b"new")
        assert reader.read() == b"old content"
    assert path.read_bytes() == b"new"


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    write_whole(path, b"old")
    with files_limited_to(100_000), pytest.raises(OSError, match="File too large"):
        write_whole(path, bytes(200_000))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_in_the_place_of_the_file_is_an_error_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.mkdir()
    with pytest.raises(IsADirectoryError):
        write_whole(path, b"new")
    assert list(tmp_path.iterdir()) == [path]


def test_a_pipe_is_written_to_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    write_whole(path, b"new")
    assert os.read(reader, 10) == b"new"
    os.close(reader)
    assert path.is_fifo()


def test_the_file_that_a_link_names_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("summary.md")
    for content in (b"first", b"second"):
        write_whole(tmp_path / "link", content)
        assert (tmp_path / "summary.md").read_bytes() == content
    assert (tmp_path / "link").is_symlink()


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "missing" / "summary.md", b"new")


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_new_name_is_flushed_after_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """What is in the folder when it is flushed survives a power cut."""
    flushed: list[set[str]] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        real(descriptor)
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            assert os.path.sameopenfile(descriptor, folder)
            flushed.append({path.name for path in tmp_path.iterdir()})

    monkeypatch.setattr(os, "fsync", fsync)
    folder = os.open(tmp_path, os.O_RDONLY)
    if kind == "file":
        write_whole(tmp_path / "new", b"content")
    else:
        (tmp_path / "made").mkdir()
        put_in_place(tmp_path / "made", tmp_path / "new")
    os.close(folder)
    assert flushed == [{"new"}]


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_everyone_may_read_a_file_whatever_the_umask(tmp_path: Path, mask: int) -> None:
    path = tmp_path / "summary.md"
    with umask(mask):
        write_whole(path, b"new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


FIRST = """
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import make_dataclass
from pathlib import Path
from threading import Barrier

from perf.errors import PerfError
from perf.files import read_json

def read(kind):
    together.wait()
    try:
        read_json(path, kind)
    except PerfError:
        pass

path, together = Path(sys.argv[1]), Barrier(4)
sys.setswitchinterval(1e-6)
with ThreadPoolExecutor(4) as pool:
    for number in range(500):
        inner = make_dataclass(f"Inner{number}", [(f"field{each}", dict[str, list[str | int]]) for each in range(6)])
        kind = make_dataclass(f"Outer{number}", [("one", inner), ("several", list[inner])])
        list(pool.map(read, [kind] * 4))
"""


@pytest.mark.slow
def test_threads_that_read_the_first_file_of_a_kind_at_once_do_not_crash(tmp_path: Path) -> None:
    """Without a lock, msgspec ends with a segmentation fault."""
    path = tmp_path / "file.json"
    path.write_text("{}")
    assert subprocess.run([sys.executable, "-c", FIRST, str(path)], cwd=ROOT, check=False).returncode == 0
