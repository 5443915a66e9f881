"""The interface of a family (cnn, rnn, dist) to the rest of the suite, so that no other room knows what is measured."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from perf.builds import Build
from perf.facts import CaseFacts, CheckFacts
from perf.machine import Placement
from perf.measure.plan import Plan, SubjectKey, WorkloadKey
from perf.measure.results import Failure

# Memory of a process that has imported MXNet and loaded nothing, from the smallest networks of the stored runs.
PROCESS_BYTES = 80_000_000
# Memory for drawing one random FP32 value for MXNet: 8 bytes in double precision, 4 rounded, 4 copied.
DRAWN_BYTES = 16
FP32_BYTES = 4
# The same in INT8.
INT8_BYTES = 1
# The cost of a pass besides its arithmetic, in the unit of a case's `weight`: slots have a shortest duration.
SLOT_WEIGHT = 12.0


class Case(Protocol):
    """One pytest item. Cases of one subject are measured together, by one plan."""

    @property
    def id(self) -> str:
        """Return its pytest id and its name in stored runs: workload and variant, joined by "-"."""

    @property
    def family(self) -> "Family[Any, Any, Any]":
        """Return its family."""

    @property
    def subject(self) -> str:
        """Return its subject, such as a network."""

    @property
    def workload(self) -> str:
        """Return its workload: the subject at one size."""

    @property
    def variant(self) -> str:
        """Return its variant, such as "mkl-int8"."""

    @property
    def roles(self) -> frozenset[str]:
        """Return the roles of the builds that it needs."""

    @property
    def weight(self) -> float:
        """Return roughly how long its workload takes: 10^9 operations in a pass, plus `SLOT_WEIGHT`."""


def subject_of(case: Case) -> SubjectKey:
    """Return the key of a case's subject, which is that of its plan."""
    return SubjectKey(case.family.name, case.subject)


def workload_of(case: Case) -> WorkloadKey:
    """Return the key of a case's workload."""
    return WorkloadKey(case.family.name, case.subject, case.workload)


CaseT_contra = TypeVar("CaseT_contra", bound=Case, contravariant=True)
CheckT = TypeVar("CheckT", bound=CheckFacts)
PlanT = TypeVar("PlanT", bound=Plan[Any])
CheckT_co = TypeVar("CheckT_co", bound=CheckFacts, covariant=True)


@dataclass(frozen=True)
class Checked(Generic[CheckT_co]):
    """What a family observed of a variant before timing it.

    problem: why it must not be timed; None when it may be.
    facts: what its record says of the check; None when there will be no record.
    unjudged: why its answers could not be judged right or wrong; None when they were judged.
    of_cpu: whether the problem is one of CPUs like this one alone, by known defects: it is not run here.
    """

    problem: Failure | None
    facts: CheckT_co | None
    unjudged: str | None = None
    of_cpu: bool = False


@dataclass(frozen=True)
class Resources:
    """What a family may use to make a plan and to check it.

    build: returns the build in a role.
    placements: where instances run.
    cores: physical cores that may be used.
    cache: the cache folder.
    scratch: a folder for temporary files.
    timeout_s: how long a worker may take to answer.
    say: prints a line for the user.
    rank_placements: where ranks of training jobs run on this host, as many as it has room for.
    hosts_file: names the hosts to train on; None for this host.
    link_gbit_per_s: the rate of the link between emulated hosts, in 10^9 bits a second; None for that of jobs.toml.
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
    link_gbit_per_s: float | None = None


class Family(Protocol[CaseT_contra, CheckT, PlanT]):
    """A kind of subject: how to plan its cases, and what must be right before their timing counts."""

    @property
    def name(self) -> str:
        """Return the name of the family's folder, such as "cnn"."""

    def plan(self, subject: str, cases: Sequence[CaseT_contra], resources: Resources) -> PlanT:
        """Return the plan for a subject's selected cases. Raises PerfError when the subject cannot be prepared."""

    def memory_bytes(self, plan: PlanT, resources: Resources) -> Mapping[str, int]:
        """Return an estimate of the memory in bytes that each workload needs on this host at one time, in all processes
        together, by name. It errs on the low side: a case that would fit must not be refused.
        """

    def check(self, plan: PlanT, resources: Resources) -> Mapping[str, Checked[CheckT]]:
        """Check every variant of the plan, untimed. Returns the checks by variant."""

    def describe(self, case: CaseT_contra, check: CheckT) -> CaseFacts:
        """Return what names the case in tables, what a pass costs, and what its check observed."""

    def published(self, case: CaseT_contra) -> float | None:
        """Return the announcement's speedup, or scaling efficiency, for the case; None when it has none."""
