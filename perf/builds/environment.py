"""Making and reusing builds: one uv environment each, in the cache, checked by importing MXNet before every use."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from perf.builds.compiled import check_programs, compiled_label, compiled_wheel
from perf.builds.data import ROOT, distribution, group_requirements, load
from perf.builds.facts import Facts, check, probe
from perf.builds.mpi import Mpi, read_mpi
from perf.builds.process import run_uv, worker_variables
from perf.builds.recipe import Recipe, group_options, recipe_for, recipe_with_content
from perf.builds.trust import content_written, is_release, marks, wheel_with
from perf.cache import locked, remove, remove_leftovers, unfinished, unusable
from perf.errors import PerfError
from perf.files import put_in_place, read_json, write_whole

INSTALL_TIMEOUT = 20 * 60.0
MARKER = "mxnet-perf.json"
# The variable that tells OpenBLAS which kernels to use.
BLAS_KERNELS = "OPENBLAS_CORETYPE"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Build:
    """One isolated MXNet installation that has proved that it imports and is of its role's kind. `blas_kernels` are
    those that its OpenBLAS chose on this CPU ("Haswell"), None without one; `mpi` is what Horovod was compiled with in
    builds that have it, and `compiled` names its source, with its patches, by content.
    """

    role: str
    folder: Path
    variables: Mapping[str, str]
    requirement: str
    locked: bool
    facts: Facts
    wheel_sha256: str | None
    blas_kernels: str | None = None
    mpi: Mpi | None = None
    compiled: str | None = None

    @property
    def python(self) -> Path:
        """The build's own interpreter."""
        return self.folder / "bin" / "python"

    @property
    def library(self) -> Path:
        """The libmxnet.so that is measured."""
        return self.folder / self.facts.library

    @property
    def content_sha256(self) -> str:
        """The content of the installed wheel: what tells two wheels apart, wherever they came from."""
        return self.facts.content_sha256

    @property
    def blas_without_avx2(self) -> bool:
        """Whether its OpenBLAS chose by itself, untold, kernels that do without AVX2."""
        chosen = self.blas_kernels is not None and BLAS_KERNELS not in self.variables
        return chosen and self.blas_kernels not in load().avx2_kernels


class Marker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is written last into a finished environment: that it was checked, and what it was then."""

    requirement: str
    wheel_sha256: str | None
    facts: Facts


def process_environment(build: Build, threads: int, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment variables for a process that runs in `build` with that many OpenMP threads.

    The user's own, without those that change measurements, then the build's, then `extra`. Raises ValueError when
    `threads` is not positive.
    """
    return worker_variables(build.variables, threads, extra or {})


def provision(
    role: str,
    *,
    override: str | None,
    cache: Path,
    say: Say,
    blas_kernels: str | None = None,
    mpi: Path | None = None,
) -> Build:
    """Return the build for `role` (from uv.lock, or the requirement in `override`), making it when it is not cached.

    A requirement without a version is resolved when it is first installed and then kept. `blas_kernels` makes its
    OpenBLAS, if it has one, use these instead of those that it would choose; what is compiled into it uses the MPI in
    the folder `mpi` instead of the one that comes with it. Raises UnavailableError when a program is missing that
    making it needs; PerfError when it cannot be installed, does not import, is of the wrong kind or has no such
    kernels, or the cache cannot be used.
    """
    recipe = recipe_for(role, override, mpi)
    if blas_kernels and not recipe.role.mkldnn:
        variables = {**recipe.role.variables, BLAS_KERNELS: blas_kernels}
        recipe = replace(recipe, role=msgspec.structs.replace(recipe.role, variables=variables))
    build = _provided(recipe, cache, say)
    if BLAS_KERNELS in build.variables and build.blas_kernels != blas_kernels:
        took = f"took {build.blas_kernels}" if build.blas_kernels else "named none: it may have no OpenBLAS"
        step = f"name others, such as {build.blas_kernels}" if build.blas_kernels else "leave the option out"
        raise PerfError(f"asked for BLAS kernels {blas_kernels!r}, it {took}", subject=recipe.subject, next_step=step)
    return build


def build_with_content(
    role: str, *, content: str, requirement: str, cache: Path, say: Say, mpi: Path | None = None
) -> Build | None:
    """Return a build in a role whose installed wheel has this content: one that is still in the cache, a release
    NAME==VERSION of MXNet from the index, or a wheel file below the current folder. Anything else that `requirement`
    may say is not installed: it comes from a file. Content is compared before any of it runs. None when there is none.

    Raises PerfError as `provision` does, and when a release has another content.
    """
    builds = cache / "builds"
    for marker_file in sorted(builds.glob(f"{role}-{'[0-9a-f]' * 12}/{MARKER}")):  # not those of mkl-dist for mkl
        with suppress(PerfError):
            marker = read_json(marker_file, Marker)
            if marker.facts.content_sha256 == content:
                recipe = recipe_for(role, None, mpi)
                if marker.requirement != recipe.requirement:
                    recipe = replace(recipe, requirement=marker.requirement, installs=(marker.requirement,))
                recipe = replace(recipe, wheel_sha256=marker.wheel_sha256)
                facts, blas_kernels = probe(marker_file.parent, recipe)
                if facts == marker.facts:
                    return _build(marker_file.parent, recipe, facts, blas_kernels)
    install = requirement if is_release(requirement) else wheel_with(content, requirement)
    if install is None:
        return None
    return _provided(recipe_with_content(role, requirement, str(install), content, mpi), cache, say)


def _provided(recipe: Recipe, cache: Path, say: Say) -> Build:
    builds = cache / "builds"
    try:
        builds.mkdir(parents=True, exist_ok=True)
        with locked(builds, recipe.folder, say):
            remove_leftovers(builds, recipe.folder)
            return _reuse(builds, recipe, say) or _make(builds, recipe, say)
    except OSError as error:
        raise unusable(cache, error) from error


def _reuse(builds: Path, recipe: Recipe, say: Say) -> Build | None:
    folder = builds / recipe.folder
    if not folder.exists():
        return None
    try:
        marker = read_json(folder / MARKER, Marker)
        facts, blas_kernels = probe(folder, recipe)
        broken = marker.facts.differences(facts)
    except PerfError as error:
        broken = error.what.splitlines()[-1].strip()
    else:
        if not broken:
            return _build(folder, recipe, facts, blas_kernels)
    say(f"{recipe.subject}: the cached environment is broken and is made again: {broken}")
    # First out of the way in one step: a half-removed environment must never look like a finished one.
    doomed = unfinished(builds, recipe.folder)
    folder.rename(doomed)
    remove(doomed)
    return None


def _make(builds: Path, recipe: Recipe, say: Say) -> Build:
    say(f"{recipe.subject}: installing")
    started = time.monotonic()
    folder = unfinished(builds, recipe.folder)
    final = builds / recipe.folder
    try:
        if recipe.role.compiles is not None:
            check_programs(recipe.role.compiles, recipe.subject)  # before hundreds of megabytes are fetched in vain
        _install(folder, recipe)
        if recipe.role.compiles is not None:
            mpi = _mpi(folder, recipe)
            wheel = compiled_wheel(recipe.role.compiles, folder, mpi, builds.parent, recipe.subject, say)
            python = str(folder / "bin" / "python")
            _uv(recipe, "pip", "install", "--python", python, "--no-deps", str(wheel))
        facts, blas_kernels = probe(folder, recipe)
        check(facts, recipe, example=group_requirements(recipe.role.group)[0])
        write_whole(folder / MARKER, msgspec.json.encode(Marker(recipe.requirement, recipe.wheel_sha256, facts)))
        put_in_place(folder, final)
    except BaseException:  # KeyboardInterrupt too
        remove(folder)
        raise
    say(f"{recipe.subject}: ready after {time.monotonic() - started:.1f} s, {facts.wheel}")
    return _build(final, recipe, facts, blas_kernels)


def _install(folder: Path, recipe: Recipe) -> None:
    python = load().python
    pip = ["pip", "install", "--python", str(folder / "bin" / "python")]
    if not recipe.locked and recipe.content is None:
        _uv(recipe, "venv", "--python", python, str(folder))
        _uv(recipe, *pip, *recipe.installs)
        return
    sync = ["sync", "--frozen", "--python", python, "--project", str(ROOT)]
    sync += group_options(recipe.role, mpi=recipe.mpi is None)
    own = () if recipe.locked else (distribution(group_requirements(recipe.role.group)[0]),)
    for package in (*own, *([recipe.role.compiles] if recipe.role.compiles else [])):
        sync += ["--no-install-package", package]
    _uv(recipe, *sync, project_environment=str(folder))
    if recipe.content is not None:
        before = marks(folder)
        # Compiling would start the environment's Python, and that whatever a .pth file names.
        _uv(recipe, *pip, "--no-deps", "--no-build", "--no-compile-bytecode", *recipe.installs)
        if content_written(folder, before) != recipe.content:
            message = "it has another content than the stored run says; nothing of it was run"
            raise PerfError(message, subject=recipe.subject, next_step="compare with a run whose wheel can be had")


def _uv(recipe: Recipe, *arguments: str, project_environment: str | None = None) -> None:
    finished = run_uv(
        *arguments, timeout=INSTALL_TIMEOUT, subject=recipe.subject, project_environment=project_environment
    )
    if finished.code:
        message = f"uv {arguments[0]} failed: {finished.last_lines()}"
        step = "check the requirement, the network and the free disk space, then run again"
        raise PerfError(message, subject=recipe.subject, next_step=step)


def _mpi(folder: Path, recipe: Recipe) -> Mpi:
    return read_mpi(recipe.mpi, bundled=False) if recipe.mpi else read_mpi(folder, bundled=True)


def _build(folder: Path, recipe: Recipe, facts: Facts, blas_kernels: str | None) -> Build:
    return Build(
        role=recipe.name,
        folder=folder,
        variables=recipe.role.variables,
        requirement=recipe.requirement,
        locked=recipe.locked,
        facts=facts,
        wheel_sha256=recipe.wheel_sha256,
        blas_kernels=None if facts.mkldnn else blas_kernels,  # only other packages have an OpenBLAS beside MKL-DNN
        mpi=None if recipe.role.compiles is None else _mpi(folder, recipe),
        compiled=None if recipe.role.compiles is None else compiled_label(recipe.role.compiles),
    )
