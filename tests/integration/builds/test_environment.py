"""Builds from real wheels: made once, reused, noticed when broken, never half-made."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from perf.builds import Build, build_with_content, environment, process_environment, provision
from perf.builds.install import install
from perf.builds.spec import BuildSpec
from perf.cache import locked
from perf.errors import PerfError
from perf.files import ROOT
from perf.machine import read_machine
from tests.conftest import SmallDisk

START = (
    "import sys; from pathlib import Path; from perf.builds import provision; "
    "print(provision('native', override=None, cache=Path(sys.argv[1]), say=lambda text: None).folder)"
)


def start(cache: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", START, str(cache)], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def find(content: str, requirement: str, cache: Path, said: list[str]) -> Build | None:
    return build_with_content("native", content=content, requirement=requirement, cache=cache, say=said.append)


def kept(cache: Path) -> list[str]:
    return [path.name for path in (cache / "builds").iterdir() if path.suffix != ".lock"]


def test_a_build_knows_its_wheel_its_versions_and_its_library(native: Build) -> None:
    assert (native.role, native.requirement, native.locked) == ("native", "mxnet==1.5.0", True)
    assert (native.facts.mxnet, native.facts.mkldnn, native.facts.numpy) == ("1.5.0", False, "1.23.5")
    assert native.facts.python.startswith("3.11.")
    assert native.library.stat().st_size == native.facts.library_bytes
    assert native.library.stat().st_nlink == 1, "shared with uv's cache: damage would spread"
    assert len(native.content_sha256) == len(native.wheel_sha256 or "") == 64


def test_a_build_computes_where_it_was_moved_to(native: Build, tmp_path: Path) -> None:
    (tmp_path / "mxnet").mkdir()  # a folder of that name where the user stands must not be imported
    code = "import mxnet as mx, os; print(mx.nd.ones(3).sum().asscalar(), mx.__file__, os.environ['OMP_NUM_THREADS'])"
    variables = process_environment(native, 2)
    command = [str(native.python), "-c", code]
    done = subprocess.run(command, env=variables, cwd=tmp_path, capture_output=True, text=True, check=True)
    total, where, threads = done.stdout.split()
    assert (total, threads) == ("3.0", "2")
    assert Path(where).is_relative_to(native.folder)


def test_a_cached_build_is_reused_quickly_and_silently(native: Build, cache: Path, said: list[str]) -> None:
    started = time.monotonic()
    assert provision("native", override=None, cache=cache, say=said.append) == native
    assert time.monotonic() - started < 10
    assert said == []


def test_the_probe_prints_one_line_whatever_mxnet_prints(native: Build, tmp_path: Path) -> None:
    (tmp_path / "noisy.py").write_text("import os; os.write(1, b'noise'); print('more')")
    variables = process_environment(native, 1, {"PYTHONPATH": f"{ROOT}:{tmp_path}"})
    command = [str(native.python), "-m", "perf.worker.probe", "noisy"]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["facts"]["library_bytes"] == native.facts.library_bytes
    assert "noise" in done.stderr


@pytest.mark.parametrize("damage", ["library", pytest.param("marker", marks=pytest.mark.slow)])
def test_a_damaged_build_is_rebuilt(native: Build, cache: Path, said: list[str], damage: str) -> None:
    path = native.library if damage == "library" else native.folder / environment.MARKER
    content = native.content_sha256
    assert find(content, "./lost.whl", cache, said) == native
    os.truncate(path, path.stat().st_size // 2)
    assert find(content, "./lost.whl", cache, said) is None, "broken: what it runs is not known"
    assert said == []
    assert provision("native", override=None, cache=cache, say=said.append) == native
    assert "rebuilding, because the cached environment is broken" in said[0]
    assert native.library.stat().st_size == native.facts.library_bytes
    assert kept(cache) == [native.folder.name]


def test_nothing_that_was_added_to_a_build_runs(native: Build, cache: Path, said: list[str], tmp_path: Path) -> None:
    """Python runs .pth files at every start, the probe's too, and NumPy is none of MXNet's own files."""
    packages, marker = native.library.parents[1], tmp_path / "it ran"
    added = packages / "added.pth"
    changed = packages / "numpy/version.py"
    line = f"import pathlib; pathlib.Path({str(marker)!r}).touch()\n"
    for path in (added, changed):
        with path.open("a") as file:
            file.write(line)
        assert find(native.content_sha256, "./lost.whl", cache, said) is None
        assert provision("native", override=None, cache=cache, say=said.append) == native
        assert "the cached environment is broken: its files are not those that were installed" in said[0]
        assert line not in (path.read_text() if path.exists() else "")
        said.clear()
    assert not marker.exists()


def test_a_build_that_stays_broken_is_an_error_and_not_kept(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    def install_badly(folder: Path, spec: BuildSpec, say: environment.Say) -> None:
        install(folder, spec, say)
        os.truncate(next(folder.rglob("libmxnet.so")), 10_000)

    monkeypatch.setattr(environment, "install", install_badly)
    with pytest.raises(PerfError, match=r"(?s)MXNet cannot be imported: .*(libmxnet.so|SIGBUS).*next: uv cache clean"):
        provision("native", override=None, cache=empty_cache, say=said.append)
    assert kept(empty_cache) == []


def test_a_wheel_of_the_wrong_kind_is_refused_and_not_kept(empty_cache: Path, said: list[str]) -> None:
    message = (
        r"build mkl \(mxnet==1\.5\.0\): mxnet 1\.5\.0 does not have MKL-DNN .* must have it\nnext: name another wheel"
    )
    with pytest.raises(PerfError, match=message):
        provision("mkl", override="mxnet==1.5.0", cache=empty_cache, say=said.append)
    assert kept(empty_cache) == []


def test_an_override_is_installed_without_the_lock(native: Build, empty_cache: Path, said: list[str]) -> None:
    build = provision("native", override="mxnet==1.5.0", cache=empty_cache, say=said.append)
    assert (build.locked, build.wheel_sha256, build.facts.numpy) == (False, None, "1.23.5")
    assert kept(empty_cache) == [build.folder.name]
    assert build.content_sha256 == native.content_sha256, "the same files, from the lock or not"
    again = find(native.content_sha256, "./lost.whl", empty_cache, said)
    assert again is not None
    assert (again.folder, again.requirement) == (build.folder, "mxnet==1.5.0")


@pytest.mark.skipif(not read_machine().has_isa("avx2"), reason="OpenBLAS refuses kernels that the CPU cannot run")
def test_openblas_uses_the_requested_kernels(native: Build, cache: Path, said: list[str]) -> None:
    haswell = provision("native", override=None, cache=cache, say=said.append, blas_kernels="Haswell")
    assert (haswell.blas_kernels, haswell.blas_without_avx2) == ("Haswell", False)
    assert (haswell.folder, said) == (native.folder, [])
    old = provision("native", override=None, cache=cache, say=said.append, blas_kernels="Prescott")
    assert (old.blas_kernels, old.blas_without_avx2) == ("Prescott", False), "what was asked for needs no warning"
    assert replace(old, variables={}).blas_without_avx2
    with pytest.raises(
        PerfError, match=r"BLAS kernels 'SkylakeZ' were requested, but it uses \w+\nnext: choose kernels"
    ):
        provision("native", override=None, cache=cache, say=said.append, blas_kernels="SkylakeZ")


@pytest.mark.parametrize("content", [None, b"no zip"])
def test_an_error_of_uv_is_shown(empty_cache: Path, tmp_path: Path, content: bytes | None, said: list[str]) -> None:
    override = "mxnet-mkl==1.5.9"
    if content is not None:
        override = str(tmp_path / "mxnet_mkl-1.5.9-py3-none-any.whl")
        Path(override).write_bytes(content)
    message = (
        r"(?s)uv pip failed: exit code .*mxnet.mkl.*1.5.9" if content else "the package index has no mxnet-mkl==1.5.9"
    )
    with pytest.raises(PerfError, match=message):
        provision("mkl", override=override, cache=empty_cache, say=said.append)
    assert kept(empty_cache) == []


def test_a_full_disk_leaves_no_build(small_disk: SmallDisk, said: list[str]) -> None:
    folder, _ = small_disk
    with pytest.raises(PerfError, match="No space left on device"):
        provision("native", override=None, cache=folder, say=said.append)
    assert [path.suffix for path in (folder / "builds").iterdir()] == [".lock"]


def test_an_interrupted_installation_leaves_nothing(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    def interrupted(folder: Path, *_: object) -> None:
        (folder / "lib").mkdir(parents=True)
        raise KeyboardInterrupt

    monkeypatch.setattr(environment, "install", interrupted)
    with pytest.raises(KeyboardInterrupt):
        provision("native", override=None, cache=empty_cache, say=said.append)
    assert kept(empty_cache) == []


def test_a_cached_build_that_another_session_checks_is_not_waited_for(
    native: Build, cache: Path, said: list[str]
) -> None:
    """It is asked for in a thread, which Ctrl-C would not end."""
    with locked(cache / "builds", native.folder.name, said.append):
        assert environment.cached_build("native", override=None, cache=cache, say=said.append) is None
    assert environment.cached_build("native", override=None, cache=cache, say=said.append) == native
    assert said == []


def test_two_sessions_at_once_share_one_build(empty_cache: Path) -> None:
    sessions = [start(empty_cache), start(empty_cache)]
    answers = {session.communicate(timeout=120)[0].strip() for session in sessions}
    assert [session.returncode for session in sessions] == [0, 0]
    assert {Path(answer).name for answer in answers} == set(kept(empty_cache))
    assert len(answers) == 1


def test_what_a_killed_session_left_is_removed(empty_cache: Path, said: list[str]) -> None:
    session = start(empty_cache)
    assert session.stdout is not None
    while not list(empty_cache.glob("builds/*.tmp/lib")):
        assert session.poll() is None
        time.sleep(0.005)
    orphans = psutil.Process(session.pid).children(recursive=True)
    os.kill(session.pid, signal.SIGKILL)
    session.communicate()
    psutil.wait_procs(orphans, timeout=20)
    assert [Path(name).suffix for name in kept(empty_cache)] == [".tmp"]
    build = provision("native", override=None, cache=empty_cache, say=said.append)
    assert kept(empty_cache) == [build.folder.name]
