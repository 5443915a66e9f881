"""Temporary folders of sessions: one for each, removed by it or by the next session."""

import os
import signal
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from perf.machine.scratch import PREFIX, scratch_folder

# The user of Debian and most systems that owns nothing.
NOBODY = 65534


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def kill_a_session() -> None:
    """Let a process with a temporary folder be killed."""
    child = os.fork()
    if not child:
        with scratch_folder() as folder:
            (folder / "log").touch()
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)


def test_it_is_removed_at_the_end_whatever_happens(temporary: Path) -> None:
    with suppress(KeyboardInterrupt), scratch_folder() as folder:
        (folder / "log").touch()
        assert folder.parent == temporary
        assert folder.name.startswith(PREFIX)
        raise KeyboardInterrupt
    assert not list(temporary.iterdir())


def test_what_a_killed_session_left_is_removed_by_the_next_one(temporary: Path) -> None:
    kill_a_session()
    (left,) = temporary.iterdir()
    with scratch_folder() as folder:
        assert list(temporary.iterdir()) == [folder]
        assert folder != left
    assert not list(temporary.iterdir())


def test_the_folders_of_other_sessions_and_programs_stay(temporary: Path) -> None:
    strange = [temporary / name for name in ("mxnet-perf-x", f".{PREFIX}x", "elsewhere")]
    for folder in strange:
        folder.mkdir()
    (temporary / f"{PREFIX}link").symlink_to(temporary / "elsewhere")
    (temporary / "elsewhere/file").touch()
    with scratch_folder() as first, scratch_folder() as second:
        assert first.exists()
        assert second.exists()
        assert all(folder.exists() for folder in strange)
    assert (temporary / "elsewhere/file").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_the_folder_of_another_user_stays(temporary: Path) -> None:
    kill_a_session()
    (left,) = temporary.iterdir()
    os.chown(left, NOBODY, NOBODY)
    with scratch_folder():
        assert left.exists()


def test_without_a_place_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/proc")
    with pytest.raises(FileNotFoundError), scratch_folder():
        pass
