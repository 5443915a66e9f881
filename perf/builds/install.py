"""Installing what a build needs, with uv; and what its failures mean."""

import re
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from perf.builds.data import distribution, group_entries, group_requirements, load
from perf.builds.process import Finished, run_uv
from perf.builds.releases import instead, load_releases
from perf.builds.spec import OPTION, BuildSpec, group_options
from perf.builds.trust import content_written, marks
from perf.builds.wheel_url import Say, downloaded
from perf.errors import PerfError
from perf.files import ROOT

# Installing takes seconds from uv's cache, and minutes over a slow network.
INSTALL_TIMEOUT_S = 20 * 60.0
# What uv says (0.13) when a requirement cannot be had, and what that means. Groups: the requirement.
NOT_PUBLISHED = re.compile(r"there (?:is|are) no versions? of ([\w.-]+==[\w.]+)")
NO_PACKAGE = re.compile(r"Because ([\w.-]+) was not found in the package registry")
NO_WHEEL = re.compile(r"Because ([\w.-]+==[\w.]+) has no wheels with a matching")
NO_NETWORK = re.compile(r"Failed to fetch|error sending request|network was disabled|dns error")
UNRESOLVED = re.compile(r"No solution found .*?cause: (.*?)(?: hint: .*)?$")


def install(folder: Path, spec: BuildSpec, say: Say) -> None:
    """Make the environment of a build in a new folder, without what is compiled into it.

    Raises PerfError, in a sentence, when something cannot be had, and when MXNet's content differs from the spec's.
    """
    python = load().python
    target = ("--python", str(folder / "bin" / "python"))
    if not spec.locked and spec.content is None:
        _uv(spec, "venv", "--python", python, str(folder))
        # All other packages are those of the lock, whatever the wheel's pins are: their versions override the pins, and
        # uv verifies the hashes of constraints.
        overrides, constraints = folder / "overrides.txt", folder / "constraints.txt"
        versions = _locked_packages(spec, spec.besides, "--no-hashes")
        overrides.write_text("\n".join([versions, *spec.besides, *load_releases().overrides]))
        constraints.write_text(_locked_packages(spec, _other_versions(spec)))
        with downloaded(spec.remote, folder / "wheel", say) as wheels:
            more = ("--override", str(overrides), "--constraint", str(constraints))
            run_pip(spec, *target, *more, *wheels, *spec.installs)
        return
    sync = ["sync", "--frozen", "--python", python, "--project", str(ROOT)]
    sync += group_options(spec.role, mpi=spec.mpi is None)
    own = () if spec.locked else (distribution(group_requirements(spec.role.group)[0]),)
    for package in (*own, *([spec.role.compiles] if spec.role.compiles else [])):
        sync += ["--no-install-package", package]
    _uv(spec, *sync, project_environment=str(folder))
    if spec.content is not None:
        before = marks(folder)
        # Compiling bytecode would start the environment's Python, and with it whatever a .pth file names.
        run_pip(spec, *target, "--no-deps", "--no-build", "--no-compile-bytecode", *spec.installs)
        if content_written(folder, before) != spec.content:
            message = "its content differs from the one in the stored run; nothing in it was run"
            raise PerfError(message, subject=spec.subject, next_step="compare with a run whose wheel is available")


def _locked_packages(spec: BuildSpec, left_out: Iterable[str], *options: str) -> str:
    """Return the versions in uv.lock, with hashes, of all packages of a role's groups but MXNet and those that the
    requirements `left_out` name. `options` are uv's.
    """
    named = [distribution(own) for own in (group_requirements(spec.role.group)[0], *left_out)]
    listing = ["--no-header", "--no-annotate", *options, *(f"--no-emit-package={name}" for name in named)]
    return _uv(spec, "export", "--frozen", *group_options(spec.role, mpi=spec.mpi is None), *listing)


def _other_versions(spec: BuildSpec) -> list[str]:
    """Return the requirements of a spec that name a version that uv.lock does not have, such as GluonCV's for an older
    release of MXNet.
    """
    locked = set(group_requirements(spec.role.group)[1])
    if spec.role.compiles is not None:
        locked |= set(group_entries(load().compiled[spec.role.compiles].mpi))
    return [own for own in spec.besides if "==" in own and own not in locked]


def run_pip(spec: BuildSpec, *arguments: str) -> None:
    """Run `uv pip install`. Raises PerfError when it fails."""
    # uv takes a path with a line break or signs of an address for something else, and never an address.
    wheels = {path: Path(path).as_uri() for path in arguments if path.startswith("/") and path.endswith(".whl")}
    _uv(spec, "pip", "install", *(wheels.get(argument, argument) for argument in arguments))


def overridden_pins(folder: Path, name: str) -> tuple[str, ...]:
    """Return the requirements of an installed distribution that the environment does not meet, each with what is
    installed instead: "numpy<1.15.0,>=1.8.2 (1.23.5)".

    Raises OSError when the environment cannot be read.
    """
    (packages,) = folder.glob("lib/python*/site-packages")
    installed = {distribution(own.name): own for own in metadata.distributions(path=[str(packages)])}
    needed = (Requirement(text) for text in (installed[name].requires or []))
    return tuple(
        f"{need.name}{need.specifier} ({own.version})"
        for need in sorted(needed, key=str)
        if (own := installed.get(distribution(need.name))) and not need.specifier.contains(own.version)
    )


def _uv(spec: BuildSpec, *arguments: str, project_environment: str | None = None) -> str:
    finished = run_uv(
        *arguments, timeout_s=INSTALL_TIMEOUT_S, subject=spec.subject, project_environment=project_environment
    )
    if finished.code:
        raise failure(spec, arguments[0], finished)
    return finished.stdout


def failure(spec: BuildSpec, command: str, finished: Finished) -> PerfError:
    """Return the error for a uv that failed: one sentence where something cannot be had, else uv's last lines."""
    text = " ".join(finished.stderr.split())
    if NO_NETWORK.search(text):
        step = "check the network and the address of the index, then run again"
        return PerfError("the package index cannot be reached", subject=spec.subject, next_step=step)
    step = f"use {OPTION} {spec.name}={instead(spec.version, mkldnn=spec.role.mkldnn)}, or another published version"
    if match := NOT_PUBLISHED.search(text):
        message = f"the package index has no {match[1]}"
    elif match := NO_PACKAGE.search(text):
        message = f"the package index has no package {match[1]}"
    elif match := NO_WHEEL.search(text):
        message = f"{match[1]} has no wheel for this platform and Python {load().python}"
        step = "use Linux on x86-64, or name a wheel file that was built for this platform"
    elif match := UNRESOLVED.search(text):
        message = f"its requirements contradict those of this build: {match[1].partition(', we can conclude')[0]}"
        step = "name a wheel whose requirements this build meets"
    else:
        message = f"uv {command} failed: {finished.last_lines()}"
        step = "check the requirement, the network and the free disk space, then run again"
    return PerfError(message, subject=spec.subject, next_step=step)
