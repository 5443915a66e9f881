"""What to measure, as plain data: the variants of one subject, its workloads, and how hard to measure."""

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

import msgspec

from perf.builds import Build, Release
from perf.measure.tiers import Effort
from perf.measure.workers.runner import Start
from perf.stack import Stack

# A program's label: its folder, its name, the start of its content, and its subgraph backend.
LABEL = re.compile(r"([\w+-][\w.+-]{0,200})/([\w+-][\w.+-]{0,50}) ([0-9a-f]{12}) (\S.*)")


class Loadable(ABC):
    """What a variant runs.

    distributed: whether ranks of a training job run it, instead of instances.
    variables: environment variables that its processes need.
    settings: settings of a training job.
    """

    distributed = False
    variables: Mapping[str, str] = {}
    settings: Mapping[str, Any] = {}

    @property
    @abstractmethod
    def label(self) -> str:
        """Return its name, which is the same for the same program elsewhere."""

    @abstractmethod
    def load_request(self, release: Release) -> tuple[str, Mapping[str, Any]]:
        """Return the request that lets a worker of a release load it, and its arguments."""

    def as_in(self, stored: Stack) -> Self:  # noqa: ARG002 - for subclasses
        """Return it with as much of a stored stack as can be restored."""
        return self


@dataclass(frozen=True)
class Program(Loadable):
    """A network in files.

    symbol: its symbol file.
    params: its parameter file.
    subgraph: the subgraph backend that partitions it; None without one.
    content: a sha256 of both files.
    problem: why it could not be prepared and cannot be loaded; None when it can.
    """

    symbol: Path
    params: Path
    subgraph: str | None
    content: str
    problem: str | None = None

    def load_request(self, release: Release) -> tuple[str, Mapping[str, Any]]:
        """Return the request that lets a worker of a release load it, and its arguments."""
        files = {"symbol": str(self.symbol), "params": str(self.params)}
        return "load", {**files, "subgraph": self.subgraph, "unknown": release.unknown}

    def as_in(self, stored: Stack) -> "Program":
        """Return the program of a stored stack: of that content, in the same folder of artifacts or another one of the
        same network; this one when there is none.
        """
        parts = LABEL.fullmatch(stored.program)
        if parts is None or stored.program == self.label:
            return self
        folder, stem, content, subgraph = parts.groups()
        artifacts, backend = self.symbol.parents[1], None if subgraph == "no subgraph" else subgraph
        for own in (artifacts / folder, *sorted(artifacts.glob(f"{folder.rpartition('-')[0]}-*"))):
            symbol, params = own / f"{stem}.json", own / f"{stem}.params"
            if symbol.is_file() and params.is_file() and (whole := content_of(symbol, params)).startswith(content):
                return Program(symbol, params, backend, whole)
        return self

    @property
    def label(self) -> str:
        """Return its folder, name, content and subgraph backend: the same for the same files in any cache."""
        return f"{self.symbol.parent.name}/{self.symbol.stem} {self.content[:12]} {self.subgraph or 'no subgraph'}"


def content_of(symbol: Path, params: Path) -> str:
    """Return the content of a program's two files: a sha256 of theirs. Raises OSError when one cannot be read."""
    digest = hashlib.sha256()
    for path in (symbol, params):
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").hexdigest().encode())
    return digest.hexdigest()


@dataclass(frozen=True)
class Operator(Loadable):
    """A single operator of MXNet's symbol API. All its arrays, including parameters, are inputs of the workload.

    name: the operator's name in the API.
    attributes: its attributes, by name.
    inputs: the names of its inputs, in order.
    """

    name: str
    attributes: Mapping[str, str | int | float | bool]
    inputs: tuple[str, ...]

    def load_request(self, release: Release) -> tuple[str, Mapping[str, Any]]:  # noqa: ARG002 - the same in all
        """Return the request that lets a worker of a release load it, and its arguments."""
        node = {"name": self.name, "attributes": dict(self.attributes), "inputs": self.inputs}
        return "compose", {"nodes": [{"op": self.name, **node}]}

    @property
    def label(self) -> str:
        """Return the operator with its attributes."""
        return f"{self.name}({', '.join(f'{name}={value}' for name, value in self.attributes.items())})"


ProgramT = TypeVar("ProgramT")
ProgramT_co = TypeVar("ProgramT_co", covariant=True)
LoadableT = TypeVar("LoadableT", Program, Operator)


@dataclass(frozen=True)
class Variant(Generic[ProgramT_co]):
    """A build running a program.

    name: its name in cases, tables and baselines, such as "mkl-int8".
    build: the build.
    program: what it runs.
    over: the variants that its speedup is judged over, the plan's reference first.
    baseline_arm_of: the variant that it is compared with side by side; None when it is not a baseline arm. The two take
        turns in each block.
    extra_work: a slowdown injected on purpose, as a fraction of each pass: 0 except when the gate itself is tested.
    """

    name: str
    build: Build
    program: ProgramT_co
    over: tuple[str, ...] = ()
    baseline_arm_of: str | None = None
    extra_work: float = 0.0


class VariantData(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A variant in a family's TOML file.

    build: the role of its build.
    over: the variants that its speedup is judged over.
    """

    build: str
    over: tuple[str, ...] = ()


DataT = TypeVar("DataT", bound=VariantData)


def variants_of(
    table: Mapping[str, DataT],
    selected: Collection[str],
    build: Callable[[str], Build],
    program: Callable[[DataT], LoadableT],
) -> tuple[Variant[LoadableT], ...]:
    """Return the selected variants of a family's table in order, each judged over the selected ones that it names."""
    return tuple(
        Variant(name, build(data.build), program(data), over=tuple(other for other in data.over if other in selected))
        for name, data in table.items()
        if name in selected
    )


@dataclass(frozen=True)
class Workload:
    """A subject at one size.

    name: its name, such as "resnet50_v1-b8".
    inputs: the shapes of its inputs, by name; their values are drawn from the standard normal distribution.
    items: how many items (images, samples) one pass processes.
    weight: roughly how long it takes relative to other workloads; used only to estimate the remaining time.
    scales: what the values of an input are multiplied by, by name.
    """

    name: str
    inputs: Mapping[str, tuple[int, ...]]
    items: int
    weight: float
    scales: Mapping[str, float] = field(default_factory=dict)


class SubjectKey(msgspec.Struct, frozen=True):
    """Identifies a subject within a session. Two families may have subjects of the same name.

    family: the family's name.
    subject: the subject's name.
    """

    family: str
    subject: str


class WorkloadKey(msgspec.Struct, frozen=True):
    """Identifies a workload within a session.

    family: the family's name.
    subject: the subject's name.
    workload: the workload's name.
    """

    family: str
    subject: str
    workload: str


@dataclass(frozen=True)
class Plan(Generic[ProgramT]):
    """Everything that is measured together: the workloads of one subject, over its variants.

    A plan shares worker processes between its workloads, and the slow reference between its variants.

    subject: the subject's name.
    variants: its variants.
    workloads: its workloads.
    reference: the name of the reference variant.
    start: starts what runs a variant; None for a worker group.
    effort: how hard to measure; None for the tier's effort.
    unavailable: why a release cannot run a variant, which the plan then lacks, by variant.
    family: the name of the subject's family.
    """

    subject: str
    variants: tuple[Variant[ProgramT], ...]
    workloads: tuple[Workload, ...]
    reference: str
    start: Start[Variant[ProgramT]] | None = None
    effort: Effort | None = None
    unavailable: Mapping[str, str] = field(default_factory=dict)
    family: str = field(kw_only=True)

    @property
    def key(self) -> SubjectKey:
        """Return its subject's key."""
        return SubjectKey(self.family, self.subject)

    def key_of(self, workload: Workload) -> WorkloadKey:
        """Return the key of one of its workloads."""
        return WorkloadKey(self.family, self.subject, workload.name)

    def __post_init__(self) -> None:
        if self.reference not in [variant.name for variant in self.variants]:
            raise ValueError(f"{self.subject}: the reference {self.reference} is not among the variants")
