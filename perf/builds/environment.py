"""Making and reusing builds: one uv environment each, in the cache, probed before every use."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from perf.builds.compiled import check_programs, compiled_label, compiled_wheel
from perf.builds.data import load
from perf.builds.facts import BuildFacts, Probed, check, probe
from perf.builds.install import install, overridden_pins, run_pip
from perf.builds.integrity import changed_files, record_files
from perf.builds.mpi import Mpi, read_mpi
from perf.builds.process import worker_variables
from perf.builds.releases import SHOWN as RELEASES
from perf.builds.releases import release_of
from perf.builds.spec import BuildSpec, spec_for, spec_with_content
from perf.builds.trust import is_release, wheel_with
from perf.cache import if_free, lock_file, locked, remove, remove_leftovers, unfinished, unusable
from perf.errors import PerfError
from perf.files import put_in_place, read_json, write_whole

# The last file that is written into a finished environment.
MARKER = "mxnet-perf.json"
# The variable that selects OpenBLAS's kernels.
BLAS_KERNELS = "OPENBLAS_CORETYPE"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Build:
    """An isolated MXNet installation that imports and fits its role.

    role: the name of its role.
    folder: its environment.
    variables: environment variables of its processes.
    requirement: MXNet's requirement.
    locked: whether uv.lock decides every package.
    facts: what is installed.
    wheel_sha256: the sha256 of MXNet's wheel; None when unknown.
    blas_kernels: the kernels that its OpenBLAS chose on this CPU, such as "Haswell"; None without OpenBLAS.
    mpi: the MPI that Horovod was compiled with; None without Horovod.
    compiled: Horovod's source, variables and patches, by content; None without Horovod.
    libraries: the OpenMP and the BLAS library that MXNet really loads, by "OpenMP" and "BLAS".
    overridden: the pins of MXNet's wheel that what is installed does not follow.
    """

    role: str
    folder: Path
    variables: Mapping[str, str]
    requirement: str
    locked: bool
    facts: BuildFacts
    wheel_sha256: str | None
    blas_kernels: str | None = None
    mpi: Mpi | None = None
    compiled: str | None = None
    libraries: Mapping[str, str] = field(default_factory=dict)
    overridden: tuple[str, ...] = ()

    @property
    def python(self) -> Path:
        """Return the build's own interpreter."""
        return self.folder / "bin" / "python"

    @property
    def library(self) -> Path:
        """Return the libmxnet.so that is measured."""
        return self.folder / self.facts.library

    @property
    def content_sha256(self) -> str:
        """Return the content of the installed wheel, which identifies it wherever it came from."""
        return self.facts.content_sha256

    @property
    def blas_without_avx2(self) -> bool:
        """Return whether it computes with an OpenBLAS that, without an override, chose kernels that do not use AVX2.

        With MKL-DNN, OpenBLAS computes only what MKL-DNN does not.
        """
        chosen = self.blas_kernels is not None and BLAS_KERNELS not in self.variables
        return chosen and not self.facts.mkldnn and self.blas_kernels not in load().avx2_kernels

    @property
    def notes(self) -> list[str]:
        """Return what a user should know of a wheel that the lock does not have, a sentence each."""
        openmp = self.libraries.get("OpenMP", "")
        release, known = release_of(self.facts.mxnet)
        notes = {
            f"it is not in {RELEASES}, and treated like {release.version}": not known,
            f"its pins were overridden: {'; '.join(self.overridden)}": bool(self.overridden),
            f"it loads {openmp}, on which KMP_AFFINITY has no effect": "KMP_AFFINITY" in self.variables
            and bool(openmp)
            and not openmp.startswith("libiomp"),
        }
        return [f"{self.facts.wheel}: {note}" for note, holds in notes.items() if holds]


class Marker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of the marker file: its presence shows that the environment is finished and was checked.

    requirement: MXNet's requirement.
    wheel_sha256: the sha256 of MXNet's wheel; None when unknown.
    facts: what was installed.
    """

    requirement: str
    wheel_sha256: str | None
    facts: BuildFacts


def process_environment(build: Build, threads: int, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment variables for a process that runs in `build` with this number of OpenMP threads: the
    user's, without those that change measurements, with the build's and then `extra`.

    Raises ValueError when `threads` is not positive.
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
    """Return the build for a role, installed unless it is cached.

    override: a requirement or wheel instead of the one in uv.lock. A requirement without a version is resolved once.
    cache: the cache folder.
    say: prints a line for the user.
    blas_kernels: the kernels for its OpenBLAS, if it has one; None lets OpenBLAS choose.
    mpi: the folder of the MPI for what is compiled into it; None for the bundled one.

    Raises UnavailableError when a program is missing that compiling needs; PerfError when it cannot be installed, does
    not import, does not fit its role or lacks the kernels, or when the cache cannot be used.
    """
    spec = _spec_with_kernels(role, override, blas_kernels, mpi)
    return _with_kernels(_provided(spec, cache, say), blas_kernels)


def cached_build(
    role: str,
    *,
    override: str | None,
    cache: Path,
    say: Say,
    blas_kernels: str | None = None,
    mpi: Path | None = None,
) -> Build | None:
    """Return what `provision` would, if it is cached and sound, without installing anything or waiting for another
    session that makes or checks it; otherwise None. May run in a thread, which no signal could end while it waits.
    """
    with suppress(PerfError, OSError):  # `provision` meets the same error, and reports it
        spec = _spec_with_kernels(role, override, blas_kernels, mpi)
        builds = cache / "builds"
        if (builds / spec.folder).exists():
            with if_free(lock_file(builds, spec.folder)) as free:
                build = _reuse(builds, spec, say) if free else None
            return build and _with_kernels(build, blas_kernels)
    return None


def _with_kernels(build: Build, blas_kernels: str | None) -> Build:
    """Return the build, which must use these kernels."""
    if BLAS_KERNELS in build.variables and build.blas_kernels != blas_kernels:
        chose = f"uses {build.blas_kernels}" if build.blas_kernels else "reports none: it may have no OpenBLAS"
        step = (
            f"choose kernels that it has, such as {build.blas_kernels}"
            if build.blas_kernels
            else "leave the option out"
        )
        message = f"BLAS kernels {blas_kernels!r} were requested, but it {chose}"
        raise PerfError(message, subject=f"build {build.role} ({build.requirement})", next_step=step)
    return build


def _spec_with_kernels(role: str, override: str | None, blas_kernels: str | None, mpi: Path | None) -> BuildSpec:
    spec = spec_for(role, override, mpi)
    if blas_kernels and not spec.role.mkldnn:
        variables = {**spec.role.variables, BLAS_KERNELS: blas_kernels}
        spec = replace(spec, role=msgspec.structs.replace(spec.role, variables=variables))
    return spec


def build_with_content(
    role: str, *, content: str, requirement: str, cache: Path, say: Say, mpi: Path | None = None
) -> Build | None:
    """Return a build in a role whose installed wheel has this content; None when there is none.

    It comes from the cache, from a release NAME==VERSION of MXNet in the index, or from a wheel file below the current
    folder. Any other `requirement` is not installed, since it comes from a file. The content is compared before any of
    it runs. Raises PerfError as `provision` does, and when a release has different content.
    """
    builds = cache / "builds"
    for marker_file in sorted(builds.glob(f"{role}-{'[0-9a-f]' * 12}/{MARKER}")):  # not those of mkl-dist for mkl
        with suppress(PerfError):
            marker = read_json(marker_file, Marker)
            if marker.facts.content_sha256 == content and changed_files(marker_file.parent) is None:
                spec = spec_for(role, None, mpi)
                if marker.requirement != spec.requirement:
                    spec = replace(spec, requirement=marker.requirement, installs=(marker.requirement,))
                spec = replace(spec, wheel_sha256=marker.wheel_sha256)
                probed = probe(marker_file.parent, spec)
                if probed.facts == marker.facts:
                    return _build(marker_file.parent, spec, probed)
    wheel = requirement if is_release(requirement) else wheel_with(content, requirement)
    if wheel is None:
        return None
    return _provided(spec_with_content(role, requirement, str(wheel), content, mpi), cache, say)


def _provided(spec: BuildSpec, cache: Path, say: Say) -> Build:
    builds = cache / "builds"
    try:
        builds.mkdir(parents=True, exist_ok=True)
        with locked(builds, spec.folder, say):
            remove_leftovers(builds, spec.folder)
            return _reuse(builds, spec, say) or _make(builds, spec, say)
    except OSError as error:
        raise unusable(cache, error) from error


def _reuse(builds: Path, spec: BuildSpec, say: Say) -> Build | None:
    folder = builds / spec.folder
    if not folder.exists():
        return None
    broken = changed_files(folder)
    if broken is None:
        try:
            marker = read_json(folder / MARKER, Marker)
            probed = probe(folder, spec)
            broken = marker.facts.differences(probed.facts)
        except PerfError as error:
            broken = error.what.splitlines()[-1].strip()
        else:
            if not broken:
                return _build(folder, spec, probed)
    say(f"{spec.subject}: rebuilding, because the cached environment is broken: {broken}")
    # Renamed first: a partly removed environment must never look like a finished one.
    remove(folder.rename(unfinished(builds, spec.folder)))
    return None


def _make(builds: Path, spec: BuildSpec, say: Say) -> Build:
    say(f"{spec.subject}: installing")
    started = time.monotonic()
    folder = unfinished(builds, spec.folder)
    try:
        if spec.role.compiles is not None:
            check_programs(spec.role.compiles, spec.subject)  # before hundreds of megabytes are downloaded in vain
        install(folder, spec, say)
        if spec.role.compiles is not None:
            mpi = _mpi(folder, spec)
            wheel = compiled_wheel(spec.role.compiles, folder, mpi, builds.parent, spec.subject, say)
            python = str(folder / "bin" / "python")
            run_pip(spec, "--python", python, "--no-deps", str(wheel))
        probed = probe(folder, spec)
        check(probed.facts, spec)
        write_whole(folder / MARKER, msgspec.json.encode(Marker(spec.requirement, spec.wheel_sha256, probed.facts)))
        record_files(folder)
        put_in_place(folder, builds / spec.folder)
    except BaseException:  # KeyboardInterrupt too
        remove(folder)
        raise
    say(f"{spec.subject}: ready after {time.monotonic() - started:.1f} s, {probed.facts.wheel}")
    return _build(builds / spec.folder, spec, probed)


def _mpi(folder: Path, spec: BuildSpec) -> Mpi:
    return read_mpi(spec.mpi, bundled=False) if spec.mpi else read_mpi(folder, bundled=True)


def _build(folder: Path, spec: BuildSpec, probed: Probed) -> Build:
    facts = probed.facts
    return Build(
        role=spec.name,
        folder=folder,
        variables={**facts.release.variables, **spec.role.variables},
        requirement=spec.requirement,
        locked=spec.locked,
        facts=facts,
        wheel_sha256=spec.wheel_sha256,
        blas_kernels=probed.blas_kernels,
        libraries=probed.libraries,
        overridden=() if spec.locked else overridden_pins(folder, facts.distribution),
        mpi=None if spec.role.compiles is None else _mpi(folder, spec),
        compiled=None if spec.role.compiles is None else compiled_label(spec.role.compiles),
    )
