"""Where the cache is, and who may write to it."""

import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import filelock
import pytest

from perf import cache as room
from perf.builds import provision
from perf.cache import VARIABLE, cache_folder, locked, remove_leftovers, unfinished, unusable
from perf.errors import PerfError
from perf.files import ROOT
from tests.conftest import SmallDisk
from tests.support.machines.denied import DENIED
from tests.unit.test_files import umask

# The user of Debian and most systems that owns nothing.
NOBODY = 65534


@pytest.fixture
def said() -> list[str]:
    return []


def test_the_option_comes_before_the_variable_and_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("MXNET_PERF_CACHE", raising=False)
    assert cache_folder(None) == tmp_path / "xdg" / "mxnet-perf"
    monkeypatch.setenv("MXNET_PERF_CACHE", str(tmp_path / "variable"))
    assert cache_folder(None) == tmp_path / "variable"
    assert cache_folder(str(tmp_path / "a" / "b")) == tmp_path / "a" / "b"
    assert (tmp_path / "a" / "b").is_dir()


@pytest.mark.parametrize("inside", ["", "cache"])
def test_a_file_in_the_place_of_the_cache_is_refused(tmp_path: Path, inside: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PerfError, match=r"--perf-cache FOLDER or the variable MXNET_PERF_CACHE"):
        cache_folder(str(tmp_path / "file" / inside))


def test_a_read_only_disk_is_reported(small_disk: SmallDisk) -> None:
    folder, make_read_only = small_disk
    assert cache_folder(str(folder)) == folder
    make_read_only()
    with pytest.raises(PerfError, match="cannot be written to: Read-only file system"):
        cache_folder(str(folder))


def test_waiting_for_a_lock_is_reported(tmp_path: Path, said: list[str]) -> None:
    other = filelock.FileLock(tmp_path / "mkl-1.lock", thread_local=False)
    other.acquire()
    threading.Timer(0.3, other.release).start()
    with locked(tmp_path, "mkl-1", said.append):
        assert said == ["mkl-1: waiting for another session that is making or checking it"]


def test_waiting_for_a_lock_has_a_timeout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    monkeypatch.setattr(room, "LOCK_WAIT_S", 0.1)
    with (
        filelock.FileLock(tmp_path / "mkl-1.lock"),
        pytest.raises(PerfError, match="another session has held"),
        locked(tmp_path, "mkl-1", said.append),
    ):
        pass


def test_leftovers_are_removed_unless_a_session_uses_them(tmp_path: Path) -> None:
    mine, dead, alive = (unfinished(tmp_path, name) for name in ("mkl-1", "mobilenet1.0-2", "zoo-3"))
    finished = tmp_path / "mkl-4"
    for folder in (mine, dead, alive, finished):
        (folder / "lib").mkdir(parents=True)
    with filelock.FileLock(tmp_path / "zoo-3.lock"):
        remove_leftovers(tmp_path, "mkl-1")
    assert [folder.exists() for folder in (mine, dead, alive, finished)] == [False, False, True, True]


HOLD = """
import os, sys, warnings
from pathlib import Path
from perf.cache import locked, unusable

warnings.simplefilter("ignore")  # filelock says that it uses files
try:
    with locked(Path(sys.argv[1]), "x", print):
        print("held")
        sys.stdout.flush()
        if sys.argv[2:]:
            os.kill(os.getpid(), 9)
except OSError as error:
    print(unusable(Path(sys.argv[1]), error).what)
"""


def printed_without_flock(error: str, *arguments: str) -> str:
    """What `HOLD` prints where flock fails with this error."""
    command = [sys.executable, str(DENIED), error, "flock", sys.executable, "-c", HOLD, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout


@pytest.mark.slow
def test_a_kernel_without_flock_locks_with_files_and_a_killed_session_releases_them(tmp_path: Path) -> None:
    for arguments in ((), ("killed",), ()):
        assert printed_without_flock("ENOSYS", str(tmp_path), *arguments) == "held\n"


@pytest.mark.slow
@pytest.mark.parametrize(("error", "reason"), [("ENOLCK", "No locks available"), ("EOPNOTSUPP", "Operation not supp")])
def test_a_file_system_without_flock_is_named(tmp_path: Path, error: str, reason: str) -> None:
    what = printed_without_flock(error, str(tmp_path))
    assert what.startswith(f"the file system of the cache cannot lock files (flock): {reason}")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may act as another user")
def test_a_cache_that_another_user_made_is_refused() -> None:
    """As /tmp, so that both may write there; what each made stays that user's."""
    with tempfile.TemporaryDirectory() as name:
        shelf = Path(name) / "builds"
        shelf.mkdir()
        Path(name).chmod(0o1777)
        with locked(shelf, "x", print):
            pass
        os.seteuid(NOBODY)
        try:
            with pytest.raises(PermissionError) as caught, locked(shelf, "x", print):
                pass
        finally:
            os.seteuid(0)
    assert unusable(shelf, caught.value).what == "the cache cannot be written to: Permission denied"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may act as another user")
@pytest.mark.parametrize("shared", ["", "builds"])
def test_a_cache_that_another_user_made_with_umask_077_is_refused(monkeypatch: pytest.MonkeyPatch, shared: str) -> None:
    """The cache itself, or what that user's sessions made in a cache that both may write to."""
    with tempfile.TemporaryDirectory() as name:
        cache = Path(name) / "cache"
        with umask(0o077):
            (cache / shared).mkdir(parents=True)
        Path(name).chmod(0o755)
        if shared:
            cache.chmod(0o1777)
        uv = Path(name) / "uv"
        uv.mkdir()
        uv.chmod(0o777)
        monkeypatch.setenv("UV_CACHE_DIR", str(uv))  # that user's own
        os.seteuid(NOBODY)
        try:
            with pytest.raises(PerfError, match="the cache cannot be written to: Permission denied") as caught:
                provision("native", override=None, cache=cache_folder(str(cache)), say=print)
        finally:
            os.seteuid(0)
    assert "choose another folder with --perf-cache FOLDER" in str(caught.value)


HOMELESS = """
import os, sys
from perf.cache import cache_folder
from perf.errors import PerfError

os.setuid(12345)  # of no user, as some clusters start containers
try:
    cache_folder(None)
except PerfError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may act as another user")
def test_a_user_without_a_home_is_asked_for_a_folder() -> None:
    variables = {name: value for name, value in os.environ.items() if name not in {"HOME", "XDG_CACHE_HOME", VARIABLE}}
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        command = [sys.executable, "-c", HOMELESS]
        variables["PYTHONPATH"] = str(ROOT)
        done = subprocess.run(command, cwd=name, env=variables, capture_output=True, text=True, check=False)
        assert not list(Path(name).iterdir())
    assert done.stdout == (
        "the cache: this user has no home folder to keep a cache in\n"
        "next: choose another folder with --perf-cache FOLDER or the variable MXNET_PERF_CACHE\n"
    ), done.stderr
