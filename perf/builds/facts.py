"""Probing an installed build: what it is, and whether it fits its role."""

import re
from pathlib import Path

import msgspec

from perf.builds.data import load
from perf.builds.process import run, worker_variables
from perf.builds.releases import Release, release_of
from perf.builds.spec import OPTION, BuildSpec
from perf.errors import PerfError
from perf.worker.probe import NUMPY_LOADED

# Importing takes one second from a warm disk; a cold or shared one may need minutes.
PROBE_TIMEOUT_S = 300.0
MISSING_LIBRARY = re.compile(r"(lib\S+): cannot open shared object file")
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

    def differences(self, other: "BuildFacts") -> str:
        """Return the facts in which `other` differs, as text; "" when it does not."""
        before, after = msgspec.to_builtins(self), msgspec.to_builtins(other)
        return ", ".join(
            f"{name} was {before[name]}, is {after[name]}" for name in before if before[name] != after[name]
        )


def probe(folder: Path, spec: BuildSpec) -> tuple[BuildFacts, str | None]:
    """Import MXNet, and whatever else the role needs, in the environment at `folder`. Return its facts, and the kernels
    that its OpenBLAS chose on this CPU (None when it has no OpenBLAS).

    Raises PerfError, with the last lines of the output, when an import fails.
    """
    command = [str(folder / "bin" / "python"), "-m", "perf.worker.probe", *spec.role.imports]
    environment = worker_variables(spec.role.variables, threads=1, extra=PRINT_KERNELS)
    finished = run(command, environment=environment, timeout_s=PROBE_TIMEOUT_S, subject=spec.subject)
    step = "uv cache clean mxnet mxnet-mkl, then run again"  # a wheel in uv's cache may be damaged
    if not spec.locked:
        step = f"name a wheel that works on Python {load().python}; or {step}"
    if finished.code:
        if missing := MISSING_LIBRARY.search(finished.last_lines()):
            step = (
                f"install the system library {missing[1]} (apt-get install libgomp1 for libgomp.so.1), then run again"
            )
        message = f"MXNet cannot be imported: {finished.last_lines()}"
        raise PerfError(message, subject=spec.subject, next_step=step)
    try:
        facts = msgspec.json.decode(finished.stdout.rstrip().rpartition("\n")[2], type=BuildFacts)
    except msgspec.MsgspecError as error:
        message = f"the probe's output cannot be decoded: {error}"
        raise PerfError(message, subject=spec.subject, next_step=step) from error
    return facts, blas_kernels(finished.stderr)


def blas_kernels(stderr: str) -> str | None:
    """Return the kernels that MXNet's OpenBLAS chose, by OpenBLAS's name ("Haswell"), from the probe's stderr; None
    when MXNet has no OpenBLAS. numpy's own OpenBLAS prints before NUMPY_LOADED.
    """
    chosen = CHOSEN.findall(stderr.partition(NUMPY_LOADED)[2])
    return chosen[-1] if chosen else None


def check(facts: BuildFacts, spec: BuildSpec, example: str) -> None:
    """Refuse a build that does not fit its role; `example` is a requirement that does.

    Raises PerfError, naming what is installed and what to do. An unexpected version is an error only for a locked
    build: users name wheels to measure other versions.
    """
    if facts.mkldnn != spec.role.mkldnn:
        has, must = ("has", "must not have") if facts.mkldnn else ("does not have", "must have")
        step = f"name another wheel, such as {OPTION} {spec.name}={example}"
        if facts.mkldnn:
            step += " (from MXNet 1.7.0 on, the wheel without MKL-DNN is called mxnet-native)"
        message = f"{facts.wheel} {has} MKL-DNN compiled in, but this build {must} it"
        raise PerfError(message, subject=spec.subject, next_step=step)
    if spec.locked and facts.mxnet != spec.role.version:
        message = f"the lock installs {facts.wheel}, but perf/builds/builds.toml expects {spec.role.version}"
        raise PerfError(message, subject=spec.subject, next_step="make uv.lock and builds.toml agree")
