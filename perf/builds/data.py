"""The data of this room: `builds.toml`, and what it reads from `pyproject.toml` and `uv.lock`."""

import re
from functools import cache
from pathlib import Path

import msgspec

from perf.errors import PerfError
from perf.files import ROOT, read_toml

DATA = Path(__file__).with_name("builds.toml")


class Role(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A role that a build can have.

    group: its dependency group in pyproject.toml.
    mkldnn: whether MXNet must be compiled with MKL-DNN.
    version: the MXNet version that the lock must install.
    imports: modules that must import, besides MXNet.
    variables: environment variables of its processes.
    compiles: what is compiled into it, a name in `BuildsFile.compiled`; None when nothing is.
    """

    group: str
    mkldnn: bool
    version: str
    imports: tuple[str, ...]
    variables: dict[str, str]
    compiles: str | None = None


class Patch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A change to a source file.

    file: the file.
    old: the text to replace.
    new: the text that replaces it.
    times: how often `old` must occur.
    """

    file: str
    old: str
    new: str
    times: int


class Compiled(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is compiled into a build.

    mpi: the dependency group of the bundled MPI.
    programs: the programs that compiling needs, each with its Debian package.
    variables: environment variables for compiling.
    patches: changes to its source.
    """

    mpi: str
    programs: dict[str, str]
    variables: dict[str, str]
    patches: tuple[Patch, ...]


class BuildsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of `builds.toml`, which explains each field.

    python: the Python version of all builds.
    scrub: prefixes of shell variables that builds do not inherit.
    harmless: those of `scrub` that change no measurement.
    recorded: prefixes of inherited shell variables that are recorded with every case.
    recorded_distributed: the same, for ranks only.
    distributions: the distributions of MXNet.
    replayed: prefixes of variables that a stored run may set again.
    avx2_kernels: OpenBLAS's kernels that use AVX2 or better.
    roles: the roles, by name.
    compiled: what can be compiled into a build, by name.
    """

    python: str
    scrub: tuple[str, ...]
    harmless: tuple[str, ...]
    recorded: tuple[str, ...]
    recorded_distributed: tuple[str, ...]
    distributions: tuple[str, ...]
    replayed: tuple[str, ...]
    avx2_kernels: tuple[str, ...]
    roles: dict[str, Role]
    compiled: dict[str, Compiled]


class _Metadata(msgspec.Struct, frozen=True, rename="kebab"):
    """An entry of [[tool.uv.dependency-metadata]]."""

    name: str
    requires_dist: tuple[str, ...]


class _Uv(msgspec.Struct, frozen=True, rename="kebab"):
    dependency_metadata: tuple[_Metadata, ...] = ()


class _Tool(msgspec.Struct, frozen=True):
    uv: _Uv = _Uv()


class _Include(msgspec.Struct, frozen=True, rename="kebab"):
    """A dependency group that another one includes."""

    include_group: str


class _Project(msgspec.Struct, frozen=True, rename="kebab"):
    """What is read of pyproject.toml."""

    dependency_groups: dict[str, list[str | _Include]] = {}
    tool: _Tool = _Tool()


class _File(msgspec.Struct, frozen=True):
    """A wheel or a source distribution in uv.lock."""

    url: str
    hash: str


class _Package(msgspec.Struct, frozen=True):
    """A package in uv.lock."""

    name: str
    version: str | None = None
    wheels: tuple[_File, ...] = ()
    sdist: _File | None = None


class _Lock(msgspec.Struct, frozen=True):
    """What is read of uv.lock."""

    package: tuple[_Package, ...] = ()


@cache
def load() -> BuildsFile:
    """Return the content of `builds.toml`, read once. Raises PerfError when it is missing or damaged."""
    return read_toml(DATA, BuildsFile)


def role_named(name: str) -> Role:
    """Return the role with this name. Raises PerfError, listing all roles, when there is none."""
    roles = load().roles
    if name not in roles:
        raise PerfError(f"there is no build {name!r}", next_step=f"use one of {', '.join(roles)}")
    return roles[name]


def is_compiled(role: str) -> bool:
    """Return whether something is compiled into the builds of a role. Raises PerfError for an unknown role."""
    return role_named(role).compiles is not None


def group_requirements(group: str, root: Path = ROOT) -> tuple[str, tuple[str, ...]]:
    """Return a dependency group of pyproject.toml as (MXNet's own requirement, all other requirements).

    Raises PerfError when the group is missing or names no MXNet, or more than one.
    """
    path = root / "pyproject.toml"
    entries = group_entries(group, root)
    own = [entry for entry in entries if distribution(entry).startswith("mxnet")]
    if len(own) != 1:
        message = f"the dependency group {group!r} must name one MXNet wheel, but names {', '.join(own) or 'none'}"
        raise PerfError(message, subject=str(path), next_step="correct [dependency-groups]")
    return own[0], tuple(entry for entry in entries if entry not in own)


def group_entries(group: str, root: Path = ROOT) -> tuple[str, ...]:
    """Return all requirements of a dependency group and of the groups that it includes; () without the group.

    Raises PerfError when pyproject.toml cannot be read.
    """
    entries = read_toml(root / "pyproject.toml", _Project).dependency_groups.get(group, [])
    nested = [(e,) if isinstance(e, str) else group_entries(e.include_group, root) for e in entries]
    return tuple(requirement for requirements in nested for requirement in requirements)


def compiled_requirements(name: str, root: Path = ROOT) -> tuple[str, ...]:
    """Return the requirements of a distribution that is compiled here, from [[tool.uv.dependency-metadata]].

    Raises PerfError when pyproject.toml cannot be read or does not list them.
    """
    path = root / "pyproject.toml"
    for entry in read_toml(path, _Project).tool.uv.dependency_metadata:
        if entry.name == name:
            return entry.requires_dist
    raise PerfError(f"does not list the requirements of {name}", subject=str(path), next_step="restore it with git")


def locked_wheel(requirement: str, machine: str, root: Path = ROOT) -> str | None:
    """Return the sha256 in uv.lock of the Linux wheel of `name==version`; None unless there is exactly one.

    Raises PerfError when uv.lock cannot be read.
    """
    name, _, version = requirement.partition("==")
    digests = {
        wheel.hash.removeprefix("sha256:")
        for package in _lock(root).package
        if package.name == name and package.version == version
        for wheel in package.wheels
        if "linux" in wheel.url and wheel.url.endswith(f"_{machine}.whl")
    }
    return digests.pop() if len(digests) == 1 else None


def locked_source(name: str, root: Path = ROOT) -> tuple[str, str]:
    """Return the URL and the sha256 of a distribution's source in uv.lock.

    Raises PerfError when uv.lock cannot be read or has none.
    """
    for package in _lock(root).package:
        if package.name == name and package.sdist is not None:
            return package.sdist.url, package.sdist.hash.removeprefix("sha256:")
    raise PerfError(f"has no source distribution of {name}", subject=str(root / "uv.lock"), next_step="run uv lock")


@cache  # its thousands of lines take a tenth of a second to read
def _lock(root: Path) -> _Lock:
    return read_toml(root / "uv.lock", _Lock)


def distribution(requirement: str) -> str:
    """Return the distribution that a requirement names, normalised (`mxnet_MKL>=1` is `mxnet-mkl`)."""
    name = re.split(r"[^A-Za-z0-9._-]", requirement.strip(), maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()
