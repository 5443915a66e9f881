"""Whatever a stored run, a server and a wheel are made up to say: nothing runs that is not what was measured."""

import hashlib
from pathlib import Path

import pytest

from perf.builds import build_with_content, provision
from perf.builds.process import run_uv
from perf.builds.trust import content_of_wheel, content_written, marks
from perf.errors import PerfError
from tests.support.services.server import serving
from tests.support.wheels import wheel

NAME = "mxnet-9.9.9-py3-none-any.whl"
OWN = "mxnet-9.9.9.dist-info"
# As much of MXNet as the probe asks for.
HONEST = {
    "mxnet/__init__.py": "__version__ = '9.9.9'\n",
    "mxnet/libinfo.py": "def find_lib_path(): return [__file__.replace('libinfo.py', 'libmxnet.so')]\n",
    "mxnet/libmxnet.so": "machine code",
    "mxnet/runtime.py": "class Features(dict):\n    is_enabled = dict.get\n",
}


def marking(marker: Path) -> str:
    """A line of Python that leaves a file behind when it runs."""
    return f"import pathlib; pathlib.Path({str(marker)!r}).touch()\n"


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "it ran"


@pytest.fixture
def content(tmp_path: Path) -> str:
    """The content of the honest wheel."""
    sha256 = content_of_wheel(wheel(tmp_path / "honest" / NAME, HONEST))
    assert sha256 is not None
    return sha256


def test_a_wheel_has_the_same_content_before_and_after_its_installation(tmp_path: Path) -> None:
    more = {"mxnet-9.9.9.data/purelib/mxnet/more.py": "x = 1\n", "mxnet-9.9.9.data/data/mxnet/LICENSE": "free\n"}
    made = wheel(tmp_path / NAME, {**HONEST, **more})
    folder = tmp_path / "environment"
    assert run_uv("venv", str(folder), timeout_s=60, subject="tiny").code == 0
    before = marks(folder)
    into = ("--python", str(folder / "bin" / "python"), "--no-deps", "--no-compile-bytecode")
    assert run_uv("pip", "install", *into, str(made), timeout_s=60, subject="tiny").code == 0
    assert content_written(folder, before) == content_of_wheel(made)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that uv takes for an index."""
    folder = tmp_path / "index"
    monkeypatch.setenv("UV_FIND_LINKS", str(folder))
    monkeypatch.setenv("UV_NO_CACHE", "1")  # a wheel of this name must not stay in the user's
    return folder


def test_a_release_with_something_hidden_never_runs_and_is_not_kept(
    empty_cache: Path, index: Path, content: str, marker: Path, said: list[str]
) -> None:
    """By its RECORD, which the probe reads, it is the wheel that was measured."""
    evil = {"evil.pth": marking(marker), "sitecustomize.py": marking(marker), "numpy/__init__.py": marking(marker)}
    wheel(index / NAME, HONEST, evil)
    with pytest.raises(PerfError, match=r"mxnet==9\.9\.9.*: its content differs from the one in the stored run"):
        build_with_content("native", content=content, requirement="mxnet==9.9.9", cache=empty_cache, say=said.append)
    assert not marker.exists()
    assert [path.suffix for path in (empty_cache / "builds").iterdir()] == [".lock"]


def test_a_release_whose_content_is_the_stored_one_becomes_a_build(
    empty_cache: Path, index: Path, content: str, said: list[str]
) -> None:
    wheel(index / NAME, HONEST)
    made = build_with_content("native", content=content, requirement="mxnet==9.9.9", cache=empty_cache, say=said.append)
    assert made is not None
    assert (made.content_sha256, made.requirement, made.facts.numpy) == (content, "mxnet==9.9.9", "1.23.5")
    again = build_with_content("native", content=content, requirement="lost", cache=empty_cache, say=said.append)
    assert again == made


def test_a_wheel_from_a_server_runs_only_with_the_right_hash(
    empty_cache: Path, marker: Path, tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_NO_CACHE", "1")
    made = wheel(tmp_path / "served" / NAME, {**HONEST, "evil.pth": marking(marker)})
    good = hashlib.sha256(made.read_bytes()).hexdigest()
    with serving(made.parent) as server:
        for sha256, ran in (("0" * 64, False), (good, True)):
            address = f"{server}/{NAME}#sha256={sha256}"
            if ran:
                build = provision("native", override=address, cache=empty_cache, say=said.append)
                assert (build.wheel_sha256, build.facts.mxnet, build.locked) == (good, "9.9.9", False)
            else:
                with pytest.raises(PerfError, match=f"another sha256, {good}; nothing in it was run"):
                    provision("native", override=address, cache=empty_cache, say=said.append)
                assert [path.suffix for path in (empty_cache / "builds").iterdir()] == [".lock"]
            assert marker.exists() == ran
    # The same file on the disk is the same build, which is there already.
    assert provision("native", override=str(made), cache=empty_cache, say=said.append).folder == build.folder
    assert not list(build.folder.rglob(NAME))


def test_a_wheel_in_a_folder_with_an_odd_name_is_installed(tmp_path: Path) -> None:
    """uv takes the path for a requirement unless it is an address."""
    folder = tmp_path / "a\nb \u202ec [x] <b> 100% %41"
    path = wheel(folder / "mxnet-1.5.0-py3-none-any.whl", {"mxnet/__init__.py": "raise ImportError('made')\n"})
    with pytest.raises(PerfError, match="MXNet cannot be imported: ImportError: made"):
        provision("native", override=str(path), cache=tmp_path, say=print)


def test_all_that_a_named_wheel_needs_has_the_hashes_of_the_lock(
    empty_cache: Path, index: Path, marker: Path, tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user named MXNet's wheel only."""
    (tmp_path / "uv.toml").write_text("no-index = true\n")  # the wheel there would fit this machine better
    monkeypatch.setenv("UV_CONFIG_FILE", str(tmp_path / "uv.toml"))
    wheel(index / "numpy-1.23.5-py3-none-any.whl", {"numpy/__init__.py": marking(marker)})
    made = wheel(tmp_path / "own" / NAME, HONEST)
    with pytest.raises(PerfError, match=r"(?s)uv pip failed: .*(Hash mismatch for `numpy==1\.23\.5`|numpy.*hash)"):
        provision("native", override=str(made), cache=empty_cache, say=said.append)
    assert not marker.exists()
    assert [path.suffix for path in (empty_cache / "builds").iterdir()] == [".lock"]
