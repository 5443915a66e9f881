"""What a family (cnn, rnn, dist) tells the rest of the suite, so that no other room knows what is measured."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from perf.builds import Build
from perf.facts import CaseFacts, CheckFacts
from perf.machine import Placement
from perf.measure.plan import Plan, SubjectKey, WorkloadKey
from perf.measure.results import Failure

# A process that has imported MXNet and loaded nothing, on the smallest networks of the stored runs.
PROCESS_BYTES = 80_000_000
# What drawing a random value takes until it is an FP32 one of MXNet: 8 bytes in double precision, 4 rounded, 4 copied.
DRAWN_BYTES = 16
FP32_BYTES = 4
# What a pass costs besides its arithmetic, in the unit of a case's `weight`: slots have a shortest duration.
SLOT_WEIGHT = 12.0


class Case(Protocol):
    """One pytest item. Cases of one subject are measured together, by one plan."""

    @property
    def id(self) -> str:
        """Its pytest id and its name in stored runs: workload and variant, joined by "-"."""

    @property
    def family(self) -> "Family[Any, Any, Any]": ...
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


def subject_of(case: Case) -> SubjectKey:
    """The key of a case's subject: that of its plan."""
    return SubjectKey(case.family.name, case.subject)


def workload_of(case: Case) -> WorkloadKey:
    """The key of a case's workload."""
    return WorkloadKey(case.family.name, case.subject, case.workload)


CaseT_contra = TypeVar("CaseT_contra", bound=Case, contravariant=True)
CheckT = TypeVar("CheckT", bound=CheckFacts)
PlanT = TypeVar("PlanT", bound=Plan[Any])
CheckT_co = TypeVar("CheckT_co", bound=CheckFacts, covariant=True)


@dataclass(frozen=True)
class Checked(Generic[CheckT_co]):
    """What a family observed of a variant before it was timed: why it must not be, if so, and what its record tells of
    it; without `facts` there is no record. `unjudged` says why nothing shows that its answers are right, or wrong.
    """

    problem: Failure | None
    facts: CheckT_co | None
    unjudged: str | None = None


@dataclass(frozen=True)
class Resources:
    """What a family may use to make a plan and to check it. `timeout_s` is a worker's limit in seconds.
    `rank_placements` are the placements of as many ranks of training jobs as a host has room for; `hosts_file` names
    the hosts to train on, None for this one.
    """

    build: Callable[[str], Build]
    placements: tuple[Placement, ...]
    cores: int
    cache: Path
    scratch: Path
    timeout_s: float
    say: Callable[[str], None]
    rank_placements: tuple[Placement, ...] = ()
    hosts_file: Path | None = None


class Family(Protocol[CaseT_contra, CheckT, PlanT]):
    """A kind of subject: how to plan its cases, and what must be right before their timing counts."""

    @property
    def name(self) -> str:
        """The family's folder, such as "cnn"."""

    def plan(self, subject: str, cases: Sequence[CaseT_contra], resources: Resources) -> PlanT:
        """The plan for a subject's selected cases. PerfError when the subject cannot be prepared."""

    def memory_bytes(self, plan: PlanT, resources: Resources) -> Mapping[str, int]:
        """What each workload of the plan needs at one time on this host, in all processes together, by name: about, and
        rather less than more, since a case that would fit must not be refused.
        """

    def check(self, plan: PlanT, resources: Resources) -> Mapping[str, Checked[CheckT]]:
        """Look at every variant of the plan, untimed."""

    def describe(self, case: CaseT_contra, check: CheckT) -> CaseFacts:
        """What names the case in tables, what a pass costs, and what its check observed."""

    def published(self, case: CaseT_contra) -> float | None:
        """The announcement's speedup, or efficiency, for the case, if it has one."""
