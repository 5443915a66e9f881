"""Probing an installed build: what it is, and whether it fits its role."""

import re
from dataclasses import dataclass
from pathlib import Path

import msgspec

from perf.builds.data import load
from perf.builds.process import Finished, run, worker_variables
from perf.builds.releases import Release, instead, release_of
from perf.builds.spec import OPTION, BuildSpec
from perf.errors import PerfError
from perf.files import decoded_output
from perf.machine import this_cpu_has
from perf.worker.probe import MXNET_LOADED, NUMPY_LOADED

# Importing takes one second from a warm disk; a cold or shared one may need minutes.
PROBE_TIMEOUT_S = 300.0
MISSING_LIBRARY = re.compile(r"(lib\S+): cannot open shared object file")
# How libraries of CUDA begin, which no machine of this suite has or needs.
CUDA = re.compile(r"lib(cu|nv|nccl)")
# How to install the library that wheels need from the system.
PACKAGES = {"libgomp.so.1": " (apt-get install libgomp1)"}
# Makes OpenBLAS print which kernels it chose (dynamic.c).
PRINT_KERNELS = {"OPENBLAS_VERBOSE": "2"}
CHOSEN = re.compile(r"^Core: (\w+)$", re.MULTILINE)


class BuildFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `perf.worker.probe` reports.

    mxnet: MXNet's version.
    mkldnn: whether it was compiled with MKL-DNN.
    numpy: numpy's version.
    python: Python's version.
    library: the path of libmxnet.so, relative to the environment's folder.
    library_bytes: its size.
    distribution: the wheel's distribution, such as "mxnet-mkl".
    content_sha256: a hash of MXNet's installed files.
    openmp: a hash of the system's libgomp; None when it is not loaded.
    """

    mxnet: str
    mkldnn: bool
    numpy: str
    python: str
    library: str
    library_bytes: int
    distribution: str
    content_sha256: str
    openmp: str | None

    @property
    def wheel(self) -> str:
        """Return distribution and version: "mxnet-mkl 1.5.0"."""
        return f"{self.distribution} {self.mxnet}"

    @property
    def release(self) -> Release:
        """Return what its release needs; that of the nearest older release when `releases.toml` does not have it."""
        return release_of(self.mxnet)[0]

    def cpu_has(self, isa: str) -> bool:
        """Return whether this machine's CPU has an instruction set of perf/machine/isa.toml, or a better one."""
        return this_cpu_has(isa)

    def differences(self, other: "BuildFacts") -> str:
        """Return the facts in which `other` differs, as text; "" when it does not."""
        before, after = msgspec.to_builtins(self), msgspec.to_builtins(other)
        return ", ".join(
            f"{name} was {before[name]}, is {after[name]}" for name in before if before[name] != after[name]
        )


class _Reply(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `perf.worker.probe` prints."""

    facts: BuildFacts
    libraries: dict[str, str]


@dataclass(frozen=True)
class Probed:
    """What a build shows when it is imported on this machine.

    facts: what is installed.
    libraries: the OpenMP and the BLAS library that MXNet loads, by "OpenMP" and "BLAS".
    blas_kernels: the kernels that MXNet's OpenBLAS chose on this CPU; None when it has no OpenBLAS.
    """

    facts: BuildFacts
    libraries: dict[str, str]
    blas_kernels: str | None


def probe(folder: Path, spec: BuildSpec) -> Probed:
    """Import MXNet, and whatever else the role needs, in the environment at `folder`, and return what that shows.

    Raises PerfError, with the reason in one line, when an import fails.
    """
    command = [str(folder / "bin" / "python"), "-m", "perf.worker.probe", *spec.role.imports]
    environment = worker_variables(spec.role.variables, threads=1, extra=PRINT_KERNELS)
    finished = run(command, environment=environment, timeout_s=PROBE_TIMEOUT_S, subject=spec.subject)
    step = "uv cache clean mxnet mxnet-mkl, then run again"  # a wheel in uv's cache may be damaged
    if not spec.locked:
        step = f"name a wheel that works on Python {load().python}; or {step}"
    if finished.code:
        raise not_imported(finished, spec, step)
    last_line = finished.stdout.rstrip().rpartition("\n")[2]
    reply = decoded_output(last_line, _Reply, "the probe's output", subject=spec.subject, next_step=step)
    kernels = blas_kernels(finished.stderr)
    libraries = dict(reply.libraries)
    if kernels:
        libraries.setdefault("BLAS", f"OpenBLAS in {Path(reply.facts.library).name}")
    # With another BLAS, it is SciPy's OpenBLAS that printed: MXNet imports SciPy where there is one.
    return Probed(reply.facts, libraries, kernels if "openblas" in libraries.get("BLAS", "").lower() else None)


def not_imported(finished: Finished, spec: BuildSpec, step: str) -> PerfError:
    """Return the error about a failed import of MXNet, with its reason in one line; `step` is what to do about one that
    is no missing library.
    """
    if missing := MISSING_LIBRARY.search(finished.cause):
        step = f"install the system library {missing[1]}{PACKAGES.get(missing[1], '')}, then run again"
        if CUDA.match(missing[1]):
            usable = instead(spec.version, mkldnn=spec.role.mkldnn)
            step = f"name a wheel without CUDA, such as {OPTION} {spec.name}={usable}"
    return PerfError(f"MXNet cannot be imported: {finished.cause}", subject=spec.subject, next_step=step)


def blas_kernels(stderr: str) -> str | None:
    """Return the kernels that MXNet's OpenBLAS chose, by OpenBLAS's name ("Haswell"), from the probe's stderr; None
    when it has no OpenBLAS. numpy's own prints before NUMPY_LOADED, and those of other packages after MXNET_LOADED.
    """
    chosen = CHOSEN.search(stderr.partition(NUMPY_LOADED)[2].partition(MXNET_LOADED)[0])
    return chosen and chosen[1]


def check(facts: BuildFacts, spec: BuildSpec) -> None:
    """Refuse a build that does not fit its role.

    Raises PerfError, naming what is installed and what to do. An unexpected version is an error only for a locked
    build: users name wheels to measure other versions.
    """
    if facts.mkldnn != spec.role.mkldnn:
        has, must = ("has", "must not have") if facts.mkldnn else ("does not have", "must have")
        wheel = instead(facts.mxnet, mkldnn=spec.role.mkldnn)
        step = f"name another wheel, such as {OPTION} {spec.name}={wheel}"
        message = f"{facts.wheel} {has} MKL-DNN compiled in, but this build {must} it"
        raise PerfError(message, subject=spec.subject, next_step=step)
    if spec.locked and facts.mxnet != spec.role.version:
        message = f"the lock installs {facts.wheel}, but perf/builds/builds.toml expects {spec.role.version}"
        raise PerfError(message, subject=spec.subject, next_step="make uv.lock and builds.toml agree")
