"""What goes into a build, from uv.lock or the user's wheel, and the key that names its folder."""

import hashlib
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from perf.builds.data import (
    Role,
    compiled_requirements,
    distribution,
    group_entries,
    group_requirements,
    load,
    locked_wheel,
    role_named,
)
from perf.builds.process import run_uv
from perf.builds.releases import EXACT, load_releases, published, with_gluoncv_for
from perf.builds.wheel_url import WheelUrl, read_wheel_url
from perf.errors import PerfError

# Exporting takes less than a second, unless uv must first download metadata.
EXPORT_TIMEOUT_S = 120.0
OPTION = "--perf-build"


@dataclass(frozen=True)
class BuildSpec:
    """Everything that determines a build.

    name: the name of its role.
    role: its role.
    requirement: MXNet's requirement, as messages show it.
    installs: what is installed; () when uv.lock decides.
    wheel_sha256: the sha256 of MXNet's wheel; None when unknown.
    key: a hash of all that determines it.
    mpi: the folder of the MPI for what is compiled into it; None for the bundled one.
    content: the content (perf.worker.probe) that MXNet must have; all other packages then come from uv.lock.
    besides: what is installed besides MXNet, where uv.lock does not decide.
    remote: where MXNet's wheel is downloaded from; `installs` then holds the rest.
    """

    name: str
    role: Role
    requirement: str
    installs: tuple[str, ...]
    wheel_sha256: str | None
    key: str
    mpi: Path | None = None
    content: str | None = None
    besides: tuple[str, ...] = ()
    remote: WheelUrl | None = None

    @property
    def version(self) -> str:
        """Return the version that its requirement names; the role's own if it names none."""
        match = EXACT.fullmatch(self.requirement)
        return match[2] if match else self.role.version

    @property
    def locked(self) -> bool:
        """Return whether uv.lock decides every package and hash."""
        return not self.installs and self.remote is None

    @property
    def folder(self) -> str:
        """Return the name of the build's folder in the cache."""
        return f"{self.name}-{self.key[:12]}"

    @property
    def subject(self) -> str:
        """Return how messages call this build."""
        return f"build {self.name} ({self.requirement})"


def spec_for(name: str, override: str | None, mpi: Path | None = None) -> BuildSpec:
    """Return the spec of a role, from uv.lock or from the requirement that overrides it. `mpi` is ignored for roles
    into which nothing is compiled.

    Raises PerfError when the role is unknown, uv.lock cannot be exported, or the wheel file is missing.
    """
    role = role_named(name)
    spec = _locked(name, role) if override is None else _overridden(name, role, override.strip())
    if mpi is None or role.compiles is None:
        return spec
    return replace(spec, mpi=mpi, key=_key(role, [spec.key, str(mpi)]))


def spec_with_content(name: str, requirement: str, install: str, content: str, mpi: Path | None = None) -> BuildSpec:
    """Return the spec of a role with another MXNet: `install`, a release or a wheel file, which must have this content.
    Messages show `requirement`.

    Raises PerfError when the role is unknown or uv.lock cannot be exported.
    """
    own = spec_for(name, None, mpi)
    key = _key(own.role, [own.key, content])
    return replace(own, requirement=requirement, installs=(install,), wheel_sha256=None, key=key, content=content)


def parse_overrides(options: Sequence[str]) -> dict[str, str]:
    """Return the requirements in `--perf-build` values such as `mkl=mxnet-mkl==1.5.1` or `mkl=./some.whl`, by role.

    Raises PerfError when a value has no `=`, an unknown role, a role that was named before, or nothing to install.
    """
    overrides: dict[str, str] = {}
    for option in options:
        subject = f"{OPTION} {option}"
        name, separator, requirement = (part.strip() for part in option.partition("="))
        if name not in load().roles:
            known = ", ".join(load().roles)
            step = f"write {OPTION} ROLE=REQUIREMENT, with one of these roles: {known}"
            raise PerfError(f"there is no build {name!r}", subject=subject, next_step=step)
        if not separator or not requirement or requirement.startswith(("-", "=")):
            step = f"write for example {OPTION} {name}=mxnet-mkl==1.5.1 or {OPTION} {name}=./some.whl"
            raise PerfError("no requirement or wheel file is named", subject=subject, next_step=step)
        if name in overrides:
            step = f"choose one of {name}={overrides[name]} and {name}={requirement}"
            raise PerfError(f"the build {name} is named twice", subject=subject, next_step=step)
        overrides[name] = requirement
    return overrides


def check_overrides(overrides: Mapping[str, str]) -> None:
    """Raise PerfError for an override that is neither a requirement nor a wheel file that can be read."""
    for name, requirement in overrides.items():
        _overridden(name, role_named(name), requirement)


def _locked(name: str, role: Role) -> BuildSpec:
    requirement, _ = group_requirements(role.group)
    subject = f"build {name} ({requirement})"
    arguments = ("export", "--frozen", *group_options(role), "--no-header", "--no-annotate")
    exported = run_uv(*arguments, timeout_s=EXPORT_TIMEOUT_S, subject=subject)
    if exported.code:
        message = f"uv could not read the lock: {exported.last_lines()}"
        raise PerfError(message, subject=subject, next_step="restore pyproject.toml and uv.lock, or run `uv lock`")
    digest = locked_wheel(requirement, platform.machine())
    return BuildSpec(name, role, requirement, (), digest, _key(role, [exported.stdout]))


def _overridden(name: str, role: Role, requirement: str) -> BuildSpec:
    own, rest = _requirements(role)
    if "://" in requirement:
        remote = read_wheel_url(requirement, f"{OPTION} {name}={requirement}")
        key = _key(role, [remote.name, remote.sha256, *_determining(rest)])  # that of the same file on the disk
        return BuildSpec(name, role, requirement, rest, remote.sha256, key, besides=rest, remote=remote)
    if not requirement.endswith(".whl"):
        if not distribution(requirement) or "/" in requirement or not requirement.isprintable():
            step = f"write for example {OPTION} {name}={own} or {OPTION} {name}=./some.whl"
            raise PerfError(
                f"{requirement!r} is neither a requirement nor a .whl file", subject=f"build {name}", next_step=step
            )
        requirement = published(requirement, mkldnn=role.mkldnn, option=f"{OPTION} {name}=")
        rest = with_gluoncv_for(requirement, rest)
        key = _key(role, [requirement, *_determining(rest)])
        return BuildSpec(name, role, requirement, (requirement, *rest), None, key, besides=rest)
    wheel = Path(requirement)
    try:
        wheel = wheel.expanduser().resolve()
        with wheel.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, RuntimeError) as error:  # RuntimeError: ~USER without such a user
        reason = error.strerror if isinstance(error, OSError) else error
        message = f"the wheel cannot be read: {reason} ({wheel})"
        raise PerfError(message, subject=f"{OPTION} {name}={requirement}", next_step="check the path") from error
    if set("#?") & set(str(wheel)):
        message = f"uv cannot install a wheel from a path with # or ? ({wheel})"
        raise PerfError(message, subject=f"{OPTION} {name}={requirement}", next_step="move the wheel to another folder")
    key = _key(role, [wheel.name, digest, *_determining(rest)])  # without its folder: the same wheel
    return BuildSpec(name, role, requirement, (str(wheel), *rest), digest, key, besides=rest)


def _determining(rest: Iterable[str]) -> tuple[str, ...]:
    return (*rest, *load_releases().overrides)


def group_options(role: Role, *, mpi: bool = True) -> tuple[str, ...]:
    """Return uv's options for the dependency groups of a role; `mpi`: including the bundled MPI, if any."""
    groups = [role.group]
    if role.compiles is not None and mpi:
        groups.append(load().compiled[role.compiles].mpi)
    return tuple(argument for group in groups for argument in ("--only-group", group))


def _requirements(role: Role) -> tuple[str, tuple[str, ...]]:
    """Return MXNet's own requirement and the rest; what is compiled is replaced by its requirements."""
    own, rest = group_requirements(role.group)
    if role.compiles is None:
        return own, rest
    installed = [requirement for requirement in rest if distribution(requirement) != role.compiles]
    return own, (*installed, *compiled_requirements(role.compiles), *group_entries(load().compiled[role.compiles].mpi))


def _key(role: Role, parts: Iterable[str]) -> str:
    return hashlib.sha256(msgspec.json.encode([load().python, role, list(parts)], order="sorted")).hexdigest()
