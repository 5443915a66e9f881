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

from perf.files import ROOT, disk_problem, put_in_place, write_whole
from tests.conftest import SmallDisk


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


# Types that nothing has been decoded into yet, again and again; threads change places as often as the interpreter can.
FIRST_DECODING = """
import sys, threading
from pathlib import Path
import msgspec
from perf.files import decoded

sys.setswitchinterval(1e-6)
for _ in range(300):
    inner = msgspec.defstruct("Inner", [("a", int), ("b", tuple[str, ...])])
    outer = msgspec.defstruct("Outer", [("a", inner), ("c", dict[str, inner])])
    content = b'{"a": {"a": 1, "b": ["x"]}, "c": {"y": {"a": 1, "b": ["x"]}}}'
    together = threading.Barrier(4)

    def decode():
        together.wait()
        decoded(content, outer, Path("file"))

    threads = [threading.Thread(target=decode) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


@pytest.mark.slow
def test_threads_may_decode_a_type_for_the_first_time() -> None:
    """msgspec alone ends the process with a segmentation fault."""
    finished = subprocess.run(
        [sys.executable, "-c", FIRST_DECODING], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (finished.returncode, finished.stderr) == (0, "")


def test_a_full_disk_behind_an_unnamed_file_is_described() -> None:
    with pytest.raises(OSError, match="No space left") as caught, Path("/dev/full").open("w", buffering=1) as full:
        full.write("x\n")
    problem = disk_problem(caught.value)
    assert problem is not None
    assert problem.what == "cannot be written: No space left on device"
    assert problem.subject == "standard output, or a temporary file in the folder TMPDIR"


def test_a_read_only_disk_is_described_with_the_file(small_disk: SmallDisk) -> None:
    folder, make_read_only = small_disk
    make_read_only()
    with pytest.raises(OSError, match="Read-only") as caught:
        (folder / "file").touch()
    problem = disk_problem(caught.value)
    assert problem is not None
    assert problem.subject == str(folder / "file")


def test_other_failures_are_not_put_down_to_the_disk() -> None:
    with pytest.raises(OSError, match="No such file") as caught:
        Path("/nowhere/file").read_text()
    assert disk_problem(caught.value) is None
