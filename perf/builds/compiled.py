"""Compiling what has no wheel from its locked source: once for each MXNet, MPI, compiler and patch, then cached."""

import hashlib
import os
import shutil
import tarfile
import time
import urllib.request
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path

import msgspec

from perf.builds.data import Compiled, load, locked_source
from perf.builds.mpi import Mpi
from perf.builds.process import run
from perf.cache import locked, remove, remove_leftovers, unfinished
from perf.errors import PerfError, UnavailableError
from perf.files import put_in_place, read_bytes, read_text, write_whole
from perf.wording import counted

# Compiling Horovod takes 48 s on two quiet cores; a busy machine may need many times as long.
COMPILE_TIMEOUT_S = 30 * 60.0
# Without an answer: a source distribution has a few megabytes.
DOWNLOAD_TIMEOUT_S = 60.0
# A program prints its version at once, unless the disk is slow.
VERSION_TIMEOUT_S = 60.0
# From a compiled module, lib/python3.11/site-packages/horovod/mxnet, to the environment's own libraries and MXNet's.
# Relative, so that the wheel works in every environment of its kind.
ORIGINS = ("$ORIGIN/../../../..", "$ORIGIN/../../mxnet")


def check_programs(name: str, subject: str) -> None:
    """Check the programs that compiling `name` needs.

    Raises UnavailableError, naming the packages to install, when one is missing.
    """
    missing = {
        program: package for program, package in load().compiled[name].programs.items() if not shutil.which(program)
    }
    if missing:
        message = f"{name} must be compiled, and this machine lacks {', '.join(missing)}"
        step = f"apt-get install {' '.join(missing.values())} (or your system's packages), then run again"
        raise UnavailableError(message, subject=subject, next_step=step)


def compiled_wheel(name: str, folder: Path, mpi: Mpi, cache: Path, subject: str, say: Callable[[str], None]) -> Path:
    """Return the wheel of `name` for the MXNet in the environment at `folder` and this MPI, compiled unless it is
    cached.

    Raises UnavailableError when a program is missing, PerfError when the source cannot be downloaded or compiled,
    OSError when the cache cannot be written to.
    """
    compiled, (url, sha256) = load().compiled[name], locked_source(name)
    check_programs(name, subject)
    shelf = cache / "wheels"
    shelf.mkdir(exist_ok=True)
    entry = f"{name}-{_key(compiled, folder, mpi, sha256)[:12]}"
    with locked(shelf, entry, say):
        remove_leftovers(shelf, entry)
        cached = next((shelf / entry).glob("*.whl"), None)
        if cached is not None and is_intact(cached):
            return cached
        if cached is not None:
            say(f"{subject}: the compiled wheel of {name} is not used, since it was changed or has no sha256")
        remove(shelf / entry)
        say(f"{subject}: compiling {name}")
        started = time.monotonic()
        work = unfinished(shelf, entry)
        try:
            source = _source(url, sha256, work / "source", subject)
            _patch(source, compiled, subject)
            _compile(source, work / "wheel", folder, mpi, compiled, subject)
            record_digest(next((work / "wheel").glob("*.whl")))
            put_in_place(work / "wheel", shelf / entry)
        finally:
            remove(work)
        say(f"{subject}: compiled {name} in {time.monotonic() - started:.0f} s")
        return next((shelf / entry).glob("*.whl"))


def compiled_label(name: str) -> str:
    """Return the name of what is compiled into a build, with a hash of its source, variables and patches: the same
    everywhere, whichever compiler is used.

    Raises PerfError when uv.lock cannot be read.
    """
    parts = [locked_source(name)[1], load().compiled[name]]
    return f"{name} {hashlib.sha256(msgspec.json.encode(parts, order='sorted')).hexdigest()[:12]}"


def _key(compiled: Compiled, folder: Path, mpi: Mpi, sha256: str) -> str:
    """Return a hash of everything that determines the compiled wheel."""
    records = sorted((folder / "lib").glob("python*/site-packages/mxnet*.dist-info/RECORD"))
    parts = [
        load().python,
        sha256,
        compiled,
        [hashlib.sha256(record.read_bytes()).hexdigest() for record in records],
        [mpi.label, "" if mpi.bundled else str(mpi.folder)],
        [_version(program) for program in sorted(compiled.programs)],
    ]
    return hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()


def _version(program: str) -> str:
    command = [program, "--version"]
    return run(command, environment=os.environ, timeout_s=VERSION_TIMEOUT_S, subject=program).stdout.partition("\n")[0]


def record_digest(wheel: Path) -> None:
    """Write the sha256 of a compiled wheel beside it. Raises OSError when that is not possible."""
    write_whole(_digest_file(wheel), hashlib.sha256(wheel.read_bytes()).hexdigest().encode())


def is_intact(wheel: Path) -> bool:
    """Return whether a wheel has the content that was compiled, by the sha256 that was written beside it then."""
    try:
        return read_text(_digest_file(wheel)) == hashlib.sha256(read_bytes(wheel)).hexdigest()
    except PerfError:
        return False


def _digest_file(wheel: Path) -> Path:
    return wheel.with_name(f"{wheel.name}.sha256")


def _source(url: str, sha256: str, folder: Path, subject: str) -> Path:
    """Download a source distribution from the URL in uv.lock, and unpack it. Return its folder."""
    step = "check the network, then run again"
    try:
        with urllib.request.urlopen(url, timeout=DOWNLOAD_TIMEOUT_S) as answer:  # noqa: S310 - from uv.lock
            content = answer.read()
    except OSError as error:
        raise PerfError(f"{url} cannot be downloaded: {error}", subject=subject, next_step=step) from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise PerfError(f"the sha256 of {url} differs from the one in uv.lock", subject=subject, next_step=step)
    with tarfile.open(fileobj=BytesIO(content)) as archive:
        # Debian 12's Python 3.11.2 has no such filter yet, and ignores the attribute.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(folder)  # noqa: S202 - its content is the one that uv.lock names
    return next(folder.iterdir())


def _patch(source: Path, compiled: Compiled, subject: str) -> None:
    for patch in compiled.patches:
        path = source / patch.file
        text = path.read_text(encoding="utf-8")
        if text.count(patch.old) != patch.times:
            times = counted(text.count(patch.old), "time")
            message = f"{patch.file} has {patch.old!r} {times} instead of {counted(patch.times, 'time')}"
            raise PerfError(message, subject=subject, next_step="correct the patches in perf/builds/builds.toml")
        path.write_text(text.replace(patch.old, patch.new), encoding="utf-8")


def _compile(source: Path, target: Path, folder: Path, mpi: Mpi, compiled: Compiled, subject: str) -> None:
    finished = run(
        [str(folder / "bin" / "python"), "setup.py", "-q", "bdist_wheel", "-d", str(target)],
        environment=_variables(folder, mpi, compiled),
        timeout_s=COMPILE_TIMEOUT_S,
        subject=subject,
        folder=source,
    )
    if finished.code:
        step = "check compiler, disk and memory, then run again (with MAKEFLAGS=-j1 if there is little memory)"
        raise PerfError(f"compiling failed: {finished.last_lines()}", subject=subject, next_step=step)


def _variables(folder: Path, mpi: Mpi, compiled: Compiled) -> Mapping[str, str]:
    paths = [mpi.folder / "bin", folder / "bin"] if mpi.bundled else [folder / "bin", mpi.folder / "bin"]
    libraries = [*ORIGINS, *([] if mpi.bundled else [str(mpi.folder / "lib")])]
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "HOROVOD_"))},
        **compiled.variables,
        **mpi.variables,
        "PATH": ":".join([*map(str, paths), os.environ.get("PATH", os.defpath)]),
        "LDFLAGS": f"-Wl,-rpath,{':'.join(libraries)}",
    }
