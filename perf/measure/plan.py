"""What is to be measured, as plain data: variants of one subject, its workloads, and how much of each."""

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, Self, TypeVar

import msgspec

from perf.builds import Build
from perf.machine import Placement
from perf.measure.results import Slot, WarmUp
from perf.measure.tiers import Effort
from perf.measure.workers.turns import Held
from perf.stack import Stack

# A program's label: its folder, its name, the start of its content, and its subgraph backend.
LABEL = re.compile(r"([\w+-][\w.+-]{0,200})/([\w+-][\w.+-]{0,50}) ([0-9a-f]{12}) (\S.*)")


class Loadable(ABC):
    """What instances run: it has no settings of its own."""

    distributed = False
    variables: Mapping[str, str] = {}
    settings: Mapping[str, Any] = {}

    @property
    @abstractmethod
    def label(self) -> str:
        """Its name for the same program elsewhere."""

    @property
    @abstractmethod
    def load_request(self) -> tuple[str, Mapping[str, Any]]:
        """What a worker is asked for, and its arguments."""

    def as_in(self, stored: Stack) -> Self:  # noqa: ARG002 - what a symbol does not decide
        """It, with as much of a stored stack as can be had."""
        return self


@dataclass(frozen=True)
class Program(Loadable):
    """What a worker loads: a symbol file, its parameters, and the subgraph backend that partitions it, if any.
    `content` is a sha256 over those of both files. `problem` says why it could not be made, and cannot be loaded; None
    otherwise.
    """

    symbol: Path
    params: Path
    subgraph: str | None
    content: str
    problem: str | None = None

    @property
    def load_request(self) -> tuple[str, Mapping[str, Any]]:
        """What a worker is asked for, and its arguments."""
        return "load", {"symbol": str(self.symbol), "params": str(self.params), "subgraph": self.subgraph}

    def as_in(self, stored: Stack) -> "Program":
        """The program of a stored stack, from the folder of artifacts that this one comes from; this one when that is
        no longer there, or its content is another one.
        """
        parts = LABEL.fullmatch(stored.program)
        if parts is None or stored.program == self.label:
            return self
        folder, stem, content, subgraph = parts.groups()
        symbol = self.symbol.parents[1] / folder / f"{stem}.json"
        params = symbol.with_name(f"{stem}.params")
        if not (symbol.is_file() and params.is_file()):
            return self
        backend = None if subgraph == "no subgraph" else subgraph
        found = Program(symbol, params, backend, content_of(symbol, params))
        return found if found.content.startswith(content) else self

    @property
    def label(self) -> str:
        """Its name, and its content: the same for the same files wherever they lie."""
        return f"{self.symbol.parent.name}/{self.symbol.stem} {self.content[:12]} {self.subgraph or 'no subgraph'}"


def content_of(symbol: Path, params: Path) -> str:
    """The content of a program's two files: a sha256 over theirs. OSError when one cannot be read."""
    digest = hashlib.sha256()
    for path in (symbol, params):
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").hexdigest().encode())
    return digest.hexdigest()


@dataclass(frozen=True)
class Operator(Loadable):
    """What a worker composes by itself: one operator of MXNet's symbol API, its attributes and its inputs by name. All
    of its arrays, parameters too, are inputs of the workload.
    """

    name: str
    attributes: Mapping[str, str | int | float | bool]
    inputs: tuple[str, ...]

    @property
    def load_request(self) -> tuple[str, Mapping[str, Any]]:
        """What a worker is asked for, and its arguments."""
        node = {"name": self.name, "attributes": dict(self.attributes), "inputs": self.inputs}
        return "compose", {"nodes": [{"op": self.name, **node}]}

    @property
    def label(self) -> str:
        return f"{self.name}({', '.join(f'{name}={value}' for name, value in self.attributes.items())})"


ProgramT = TypeVar("ProgramT")
ProgramT_co = TypeVar("ProgramT_co", covariant=True)
ProgramT_contra = TypeVar("ProgramT_contra", contravariant=True)
LoadableT = TypeVar("LoadableT", Program, Operator)


@dataclass(frozen=True)
class Variant(Generic[ProgramT_co]):
    """A build running a program, under the name that cases, tables and baselines use (`mkl-int8`).

    `over` names the variants that its speedup is judged over, the plan's reference first. `baseline_arm_of` names the
    variant that it is compared with side by side, if there is one: the two take turns within each block. `extra_work`
    is a slowdown made on purpose, as a share of each pass: 0 except when the gate itself is tested.
    """

    name: str
    build: Build
    program: ProgramT_co
    over: tuple[str, ...] = ()
    baseline_arm_of: str | None = None
    extra_work: float = 0.0


class VariantData(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A variant in a family's table: the role of its build, and the variants that its speedup is judged over."""

    build: str
    over: tuple[str, ...] = ()


DataT = TypeVar("DataT", bound=VariantData)


def variants_of(
    table: Mapping[str, DataT],
    wanted: Collection[str],
    build: Callable[[str], Build],
    program: Callable[[DataT], LoadableT],
) -> tuple[Variant[LoadableT], ...]:
    """The wanted variants of a family's table, in its order, each judged over those of them that it names."""
    return tuple(
        Variant(name, build(data.build), program(data), over=tuple(other for other in data.over if other in wanted))
        for name, data in table.items()
        if name in wanted
    )


@dataclass(frozen=True)
class Workload:
    """A subject at one size. `inputs` are shapes by name, drawn from the standard normal distribution and multiplied by
    their `scales`; `items` is what one pass counts for (images, samples). `weight` is how long it takes relative to
    other workloads, roughly: only the time to go is reckoned from it.
    """

    name: str
    inputs: Mapping[str, tuple[int, ...]]
    items: int
    weight: float
    scales: Mapping[str, float] = field(default_factory=dict)


class SubjectKey(msgspec.Struct, frozen=True):
    """What tells a subject from all others of a session: two families may have subjects of one name."""

    family: str
    subject: str


class WorkloadKey(msgspec.Struct, frozen=True):
    """What tells a workload from all others of a session."""

    family: str
    subject: str
    workload: str


@dataclass(frozen=True)
class Plan(Generic[ProgramT]):
    """Everything measured together: one subject's workloads over its variants, `reference` being one of them. `family`
    is the name of the family that the subject belongs to.

    A plan shares worker processes between its workloads, and the slow reference between its variants. `start` begins
    what runs a variant, when that is no crew of instances; `effort` is how hard to measure, when not as the tier says.
    """

    subject: str
    variants: tuple[Variant[ProgramT], ...]
    workloads: tuple[Workload, ...]
    reference: str
    start: "Start[ProgramT] | None" = None
    effort: Effort | None = None
    family: str = field(kw_only=True)

    @property
    def key(self) -> SubjectKey:
        """Its subject's key."""
        return SubjectKey(self.family, self.subject)

    def key_of(self, workload: Workload) -> WorkloadKey:
        """The key of one of its workloads."""
        return WorkloadKey(self.family, self.subject, workload.name)

    def __post_init__(self) -> None:
        if self.reference not in [variant.name for variant in self.variants]:
            raise ValueError(f"{self.subject}: the reference {self.reference} is not among the variants")


class Runner(Held, Protocol):
    """What runs one variant, as the engine sees it. WorkerError from any method is final."""

    def close(self) -> None:
        """End all processes; nothing of them is left afterwards."""

    def prepare(self, workload: Workload) -> None:
        """Make the variant's program and the workload's inputs ready."""

    def warm_up(self, effort: Effort) -> WarmUp:
        """Run untimed passes; everything then runs where it was put."""

    def run(self, effort: Effort) -> Slot:
        """Time passes."""

    def finish(self) -> int:
        """Free the workload; the peak memory of all processes since it was prepared, summed, in bytes."""


class Start(Protocol[ProgramT_contra]):
    """Begins what runs a variant: on which placements, where it may write, and for how long an answer is waited for.
    WorkerError when it cannot be begun.
    """

    def placement_of(self, variant: Variant[ProgramT_contra]) -> tuple[str, ...]:
        """Where everything of a variant runs, in words, one for each process."""

    def prefixes_of(self, variant: Variant[ProgramT_contra]) -> Sequence[Sequence[str]]:
        """What stands before the command of each process."""

    def __call__(
        self, variant: Variant[ProgramT_contra], placements: Sequence[Placement], scratch: Path, *, timeout_s: float
    ) -> Runner: ...
