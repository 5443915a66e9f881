"""What is to be measured, as plain data: variants of one subject, its workloads, and how much of each."""

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

from perf.builds import Build
from perf.machine import Placement
from perf.measure.results import Slot, WarmUp
from perf.measure.turns import Held


@dataclass(frozen=True)
class Program:
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
    def request(self) -> dict[str, str | None]:
        """What a worker needs to load it."""
        return {"symbol": str(self.symbol), "params": str(self.params), "subgraph": self.subgraph}

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
class Operator:
    """What a worker composes by itself: one operator of MXNet's symbol API, its attributes and its inputs by name. All
    of its arrays, parameters too, are inputs of the workload.
    """

    name: str
    attributes: Mapping[str, str | int | float | bool]
    inputs: tuple[str, ...]

    @property
    def label(self) -> str:
        return f"{self.name}({', '.join(f'{name}={value}' for name, value in self.attributes.items())})"


@dataclass(frozen=True)
class Training:
    """A training job: its name for the same job elsewhere, the task of its ranks, and the environment variables
    of theirs that the suite chooses. Whose program it is knows how it is started.
    """

    label: str
    ranks: int
    task: Mapping[str, Any]
    variables: Mapping[str, str]


@dataclass(frozen=True)
class Variant:
    """A build running a program, under the name that cases, tables and baselines use (`mkl-int8`).

    `over` names the variants that its speedup is judged over, the plan's reference first. `twin_of` names the variant
    that it is to be compared with side by side, if there is one: the two take turns within each block. `extra_work` is
    a slowdown made on purpose, as a share of each pass: 0 except when the gate itself is tested.
    """

    name: str
    build: Build
    program: Program | Operator | Training
    over: tuple[str, ...] = ()
    twin_of: str | None = None
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
    program: Callable[[DataT], Program | Operator],
) -> tuple[Variant, ...]:
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
class Plan:
    """Everything measured together: one subject's workloads over its variants, `reference` being one of them. `family`
    is the name of the family that the subject belongs to.

    A plan shares worker processes between its workloads, and the slow reference between its variants. `start` begins
    what runs a variant, when that is no crew of instances; `effort` is how hard to measure, when not as the tier says.
    """

    subject: str
    variants: tuple[Variant, ...]
    workloads: tuple[Workload, ...]
    reference: str
    start: "Start | None" = None
    effort: "Effort | None" = None
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


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How hard to measure; a tier's share of `tiers.toml`. Times in seconds, precision as half a relative interval.
    `limit_size`: rows of the matrices by which the machine's own limit is measured; None: it is not.
    """

    min_invocations: int
    max_invocations: int
    again_invocations: int
    again_budget_s: float
    min_blocks: int
    max_blocks: int
    slot_s: float
    slot_passes: int
    warm_up_s: float
    precision: float
    block_budget_s: float
    workload_budget_s: float
    max_lost_share: float
    limit_size: int | None = None


class Runner(Held, Protocol):
    """What runs one variant, as the engine sees it. WorkerError from any method is final."""

    def close(self) -> None:
        """End all processes; nothing of them is left afterwards."""

    def load(self) -> object:
        """Make the variant's program ready."""

    def bind(self, workload: Workload) -> None:
        """Make the workload's inputs ready."""

    def warm_up(self, effort: Effort) -> WarmUp:
        """Run untimed passes."""

    def prove_pinning(self) -> None:
        """Read back where everything runs."""

    def run(self, effort: Effort) -> Slot:
        """Time passes."""

    def unbind(self) -> int:
        """Free the inputs; the peak memory of all processes since they were bound, summed, in bytes."""


class Start(Protocol):
    """Begins what runs a variant: on which placements, where it may write, and for how long an answer is waited for.
    WorkerError when it cannot be begun.
    """

    def placement_of(self, variant: Variant) -> tuple[str, ...]:
        """Where everything of a variant runs, in words, one for each process."""

    def prefixes_of(self, variant: Variant) -> Sequence[Sequence[str]]:
        """What stands before the command of each process."""

    def __call__(
        self, variant: Variant, placements: Sequence[Placement], scratch: Path, *, timeout_s: float
    ) -> Runner: ...
