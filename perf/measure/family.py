"""What a family (cnn, rnn, dist) tells the rest of the suite, so that no other room knows what is measured."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from perf.builds import Build
from perf.machine import Placement
from perf.measure.plan import Plan
from perf.measure.results import Failure


class Case(Protocol):
    """One pytest item. Cases of one subject are measured together, by one plan."""

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
        """How long its workload takes relative to others, roughly."""


CaseT_contra = TypeVar("CaseT_contra", bound=Case, contravariant=True)


class Check(Protocol):
    """What a family found out about a variant before it was timed."""

    @property
    def problem(self) -> Failure | None: ...

    def record(self) -> Mapping[str, Any]:
        """What of it belongs into the stored run."""


@dataclass(frozen=True)
class Resources:
    """What a family may use to make a plan and to check it. `timeout_s` is a worker's limit in seconds."""

    build: Callable[[str], Build]
    placements: tuple[Placement, ...]
    cores: int
    cache: Path
    scratch: Path
    timeout_s: float
    say: Callable[[str], None]


class Family(Protocol[CaseT_contra]):
    """A kind of subject: how to plan its cases, and what must be right before their timing counts."""

    def plan(self, subject: str, cases: Sequence[CaseT_contra], resources: Resources) -> Plan:
        """The plan for a subject's selected cases. PerfError when the subject cannot be prepared."""

    def check(self, plan: Plan, resources: Resources) -> Mapping[str, Check]:
        """Look at every variant of the plan, untimed."""

    def published(self, case: CaseT_contra) -> float | None:
        """The announcement's speedup for the case, if it has one."""
