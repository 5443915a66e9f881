"""The data of this room: `builds.toml`, and the builds' dependency groups in `pyproject.toml`."""

import re
from functools import cache
from pathlib import Path

import msgspec

from perf.errors import PerfError
from perf.files import ROOT, read_toml

DATA = Path(__file__).with_name("builds.toml")


class Role(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One role a build can play: its dependency group, what must hold for it, and its processes' variables."""

    group: str
    mkldnn: bool
    version: str
    imports: tuple[str, ...]
    variables: dict[str, str]
    compiles: str | None = None


class Patch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A change of a source file: what stands in it so many times, and what takes its place."""

    file: str
    old: str
    new: str
    times: int


class Compiled(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is compiled into a build: the dependency group of the MPI that comes with it, the programs it needs (and
    their packages), the variables it is compiled with, and what is changed in its source.
    """

    mpi: str
    programs: dict[str, str]
    variables: dict[str, str]
    patches: tuple[Patch, ...]


class BuildsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of `builds.toml`."""

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
    name: str
    requires_dist: tuple[str, ...]


class _Uv(msgspec.Struct, frozen=True, rename="kebab"):
    dependency_metadata: tuple[_Metadata, ...] = ()


class _Tool(msgspec.Struct, frozen=True):
    uv: _Uv = _Uv()


class _Include(msgspec.Struct, frozen=True, rename="kebab"):
    include_group: str


class _Project(msgspec.Struct, frozen=True, rename="kebab"):
    """What is read of pyproject.toml."""

    dependency_groups: dict[str, list[str | _Include]] = {}
    tool: _Tool = _Tool()


class _File(msgspec.Struct, frozen=True):
    url: str
    hash: str


class _Package(msgspec.Struct, frozen=True):
    name: str
    version: str | None = None
    wheels: tuple[_File, ...] = ()
    sdist: _File | None = None


class _Lock(msgspec.Struct, frozen=True):
    """What is read of uv.lock."""

    package: tuple[_Package, ...] = ()


@cache
def load() -> BuildsFile:
    """Read `builds.toml`, once.

    Raises PerfError when the file is not what this room expects.
    """
    return read(DATA)


def read(path: Path) -> BuildsFile:
    """Read a file shaped like `builds.toml`.

    Raises PerfError when it is missing, is not TOML, lacks a field or has one that is not known.
    """
    return read_toml(path, BuildsFile)


def role_named(name: str) -> Role:
    """Return the role of that name.

    Raises PerfError when there is none, naming those there are.
    """
    roles = load().roles
    if name not in roles:
        raise PerfError(f"there is no build {name!r}", next_step=f"use one of {', '.join(roles)}")
    return roles[name]


def is_compiled(role: str) -> bool:
    """Whether something is compiled into the builds of a role. PerfError for a role that there is not."""
    return role_named(role).compiles is not None


def group_requirements(group: str, root: Path = ROOT) -> tuple[str, tuple[str, ...]]:
    """Return a dependency group of pyproject.toml as (MXNet's own requirement, everything else it pins).

    Raises PerfError when the group is missing or names no MXNet, or more than one.
    """
    path = root / "pyproject.toml"
    entries = group_entries(group, root)
    own = [entry for entry in entries if distribution(entry).startswith("mxnet")]
    if len(own) != 1:
        message = f"the dependency group {group!r} must name one MXNet wheel, found {own or 'none'}"
        raise PerfError(message, subject=str(path), next_step="correct [dependency-groups]")
    return own[0], tuple(entry for entry in entries if entry not in own)


def group_entries(group: str, root: Path = ROOT) -> tuple[str, ...]:
    """Return every requirement of a dependency group, those of the groups that it includes too; () without the group.

    Raises PerfError when pyproject.toml cannot be read.
    """
    entries = read_toml(root / "pyproject.toml", _Project).dependency_groups.get(group, [])
    found = [(e,) if isinstance(e, str) else group_entries(e.include_group, root) for e in entries]
    return tuple(requirement for requirements in found for requirement in requirements)


def compiled_requirements(name: str, root: Path = ROOT) -> tuple[str, ...]:
    """Return what a distribution that is compiled here requires, by [[tool.uv.dependency-metadata]].

    Raises PerfError when pyproject.toml cannot be read or does not say it.
    """
    path = root / "pyproject.toml"
    for entry in read_toml(path, _Project).tool.uv.dependency_metadata:
        if entry.name == name:
            return entry.requires_dist
    raise PerfError(f"says nothing of what {name} requires", subject=str(path), next_step="restore it with git")


def locked_wheel(requirement: str, machine: str, root: Path = ROOT) -> str | None:
    """Return the sha256 that uv.lock holds for the Linux wheel of `name==version`, or None when it is not clear which.

    Raises PerfError when uv.lock cannot be read.
    """
    name, _, version = requirement.partition("==")
    digests = {
        wheel.hash.removeprefix("sha256:")
        for package in read_toml(root / "uv.lock", _Lock).package
        if package.name == name and package.version == version
        for wheel in package.wheels
        if "linux" in wheel.url and wheel.url.endswith(f"_{machine}.whl")
    }
    return digests.pop() if len(digests) == 1 else None


def locked_source(name: str, root: Path = ROOT) -> tuple[str, str]:
    """Return the address and the sha256 of a distribution's source in uv.lock.

    Raises PerfError when uv.lock cannot be read or holds none.
    """
    path = root / "uv.lock"
    for package in read_toml(path, _Lock).package:
        if package.name == name and package.sdist is not None:
            return package.sdist.url, package.sdist.hash.removeprefix("sha256:")
    raise PerfError(f"holds no source distribution of {name}", subject=str(path), next_step="run uv lock")


def distribution(requirement: str) -> str:
    """Return the distribution a requirement names, in its normal form (`mxnet_MKL>=1` is `mxnet-mkl`)."""
    name = re.split(r"[^A-Za-z0-9._-]", requirement.strip(), maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()
