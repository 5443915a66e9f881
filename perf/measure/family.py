"""What a family (cnn, rnn, dist) tells the rest of the suite, so that no other room knows what is measured."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from perf.builds import Build
from perf.machine import Placement
from perf.measure.hosts import Host
from perf.measure.plan import Plan
from perf.measure.results import Failure

# What a pass costs besides its arithmetic, in the unit of a case's `weight`: slots have a shortest duration.
SLOT_WEIGHT = 12.0


class Case(Protocol):
    """One pytest item. Cases of one subject are measured together, by one plan."""

    @property
    def id(self) -> str:
        """Its pytest id and its name in stored runs: workload and variant, joined by "-"."""

    @property
    def family(self) -> "Family[Any]": ...
    @property
    def subject(self) -> str: ...
    @property
    def workload(self) -> str: ...
    @property
    def variant(self) -> str: ...
    @property
    def roles(self) -> frozenset[str]:
        """The builds it needs."""

    @property
    def weight(self) -> float:
        """How long its workload takes relative to others, roughly: 10^9 operations of a pass, plus `SLOT_WEIGHT`."""


CaseT_contra = TypeVar("CaseT_contra", bound=Case, contravariant=True)


@dataclass(frozen=True)
class Checked:
    """What a family found out about a variant before it was timed: why it must not be, if so, and `facts`, plain JSON
    values that belong into the stored run. `unjudged` says why nothing shows that its answers are right, or wrong.
    """

    problem: Failure | None
    facts: Mapping[str, Any]
    unjudged: str | None = None


@dataclass(frozen=True)
class Resources:
    """What a family may use to make a plan and to check it. `timeout_s` is a worker's limit in seconds. `seats` are
    the placements of as many ranks of training jobs as a host has room for; `hosts` are those to train on, when they
    are others than this one.
    """

    build: Callable[[str], Build]
    placements: tuple[Placement, ...]
    cores: int
    cache: Path
    scratch: Path
    timeout_s: float
    say: Callable[[str], None]
    seats: tuple[Placement, ...] = ()
    hosts: tuple[Host, ...] = ()


class Family(Protocol[CaseT_contra]):
    """A kind of subject: how to plan its cases, and what must be right before their timing counts."""

    @property
    def name(self) -> str:
        """The family's folder, such as "cnn"."""

    def plan(self, subject: str, cases: Sequence[CaseT_contra], resources: Resources) -> Plan:
        """The plan for a subject's selected cases. PerfError when the subject cannot be prepared."""

    def check(self, plan: Plan, resources: Resources) -> Mapping[str, Checked]:
        """Look at every variant of the plan, untimed."""

    def describe(self, case: CaseT_contra, found: Mapping[str, Any]) -> Mapping[str, Any]:
        """What names the case in tables, and `flops_per_pass`, the floating-point operations of a pass (None when they
        are not known), as plain JSON values; `found` are the facts of its check.
        """

    def published(self, case: CaseT_contra) -> float | None:
        """The announcement's speedup for the case, if it has one."""
