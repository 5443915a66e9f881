"""Asking an installed build what it is, and whether it may play its role."""

import re
from pathlib import Path

import msgspec

from perf.builds.data import load
from perf.builds.process import run, worker_variables
from perf.builds.spec import OPTION, BuildSpec
from perf.errors import PerfError
from perf.worker.probe import NUMPY_LOADED

PROBE_TIMEOUT = 300.0
"""Importing takes one second from a warm disk; a cold or shared one may need minutes."""


MISSING_LIBRARY = re.compile(r"(lib\S+): cannot open shared object file")


# OpenBLAS then says which kernels it chose (driver/others/dynamic.c).
SAY_KERNELS = {"OPENBLAS_VERBOSE": "2"}
CHOSEN = re.compile(r"^Core: (\w+)$", re.MULTILINE)


class BuildFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `perf.worker.probe` reports. `library` is relative to the environment's folder; `content_sha256`
    is the content of MXNet's installed files, `openmp` that of the system's libgomp, None without one.
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
        """What is installed, as people call it: "mxnet-mkl 1.5.0"."""
        return f"{self.distribution} {self.mxnet}"

    def differences(self, other: "BuildFacts") -> str:
        """Return the facts in which `other` differs, as text; empty when both are the same."""
        before, after = msgspec.to_builtins(self), msgspec.to_builtins(other)
        return ", ".join(
            f"{name} was {before[name]}, is {after[name]}" for name in before if before[name] != after[name]
        )


def probe(folder: Path, spec: BuildSpec) -> tuple[BuildFacts, str | None]:
    """Import MXNet (and what else the role needs) in the environment at `folder`, and return what it says of itself,
    and which kernels its OpenBLAS chose on this CPU (None when it has none).

    Raises PerfError, with the last lines of the failure, when anything does not import.
    """
    command = [str(folder / "bin" / "python"), "-m", "perf.worker.probe", *spec.role.imports]
    environment = worker_variables(spec.role.variables, threads=1, extra=SAY_KERNELS)
    finished = run(command, environment=environment, timeout=PROBE_TIMEOUT, subject=spec.subject)
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
        message = f"the probe's answer is not understood: {error}"
        raise PerfError(message, subject=spec.subject, next_step=step) from error
    return facts, blas_kernels(finished.stderr)


def blas_kernels(stderr: str) -> str | None:
    """The kernels that MXNet's own OpenBLAS chose, by its name for them ("Haswell"), from what the probe's libraries
    said; None when it has no OpenBLAS. numpy has one of its own, which speaks before.
    """
    found = CHOSEN.findall(stderr.partition(NUMPY_LOADED)[2])
    return found[-1] if found else None


def check(facts: BuildFacts, spec: BuildSpec, example: str) -> None:
    """Refuse a build that is not of its role's kind; `example` is a requirement that is.

    Raises PerfError naming what was found and what to do. Another version than expected is an error only for a
    locked build: to measure one is why users name wheels.
    """
    found = facts.wheel
    if facts.mkldnn != spec.role.mkldnn:
        has, must = ("has", "must not have") if facts.mkldnn else ("does not have", "must have")
        step = f"name another wheel, such as {OPTION} {spec.name}={example}"
        if facts.mkldnn:
            step += " (from MXNet 1.7.0 on, the wheel without MKL-DNN is called mxnet-native)"
        message = f"{found} {has} MKL-DNN compiled in, and this build {must} it"
        raise PerfError(message, subject=spec.subject, next_step=step)
    if spec.locked and facts.mxnet != spec.role.version:
        message = f"the lock installs {found}, and perf/builds/builds.toml expects {spec.role.version}"
        raise PerfError(message, subject=spec.subject, next_step="make uv.lock and builds.toml agree")
