"""One pytest session's measuring: the machine and the builds once, each subject once, when its first case asks."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from perf.builds import Build, provision
from perf.cache import cache_folder
from perf.errors import PerfError
from perf.machine import Machine, Placement, find_numactl, place_instances, read_machine, read_topology
from perf.measure.engine import Conditions, measure
from perf.measure.family import Case, Check, Family, Resources
from perf.measure.plan import Plan
from perf.measure.results import Failure, Spent, WorkloadResult
from perf.measure.tiers import effort_of
from perf.plugin.options import Options
from perf.report.progress import ProgressLine


@dataclass(frozen=True)
class Outcome:
    """What came of one case: its plan, its workload's result, what its family checked, and why it failed, if it did."""

    plan: Plan
    case: Case
    result: WorkloadResult
    check: Check
    failure: Failure | None


@dataclass
class PerfSession:
    """State of a session. `records` gathers what was recorded of each case, in the order of the items."""

    options: Options
    machine: Machine
    placements: tuple[Placement, ...]
    builds: Mapping[str, Build]
    cache: Path
    scratch: Path
    selected: Sequence[Case]
    progress: ProgressLine
    uncaptured: Callable[[], AbstractContextManager[None]]
    spent: Spent = field(default_factory=Spent)
    started_s: float = field(default_factory=time.monotonic)
    records: list[dict[str, Any]] = field(default_factory=list)
    _measured: dict[str, dict[str, Outcome] | PerfError] = field(default_factory=dict)
    _done_weight: float = 0.0

    @property
    def wall_s(self) -> float:
        """Seconds since the session began to set itself up."""
        return time.monotonic() - self.started_s

    def header(self) -> list[str]:
        """What is measured, on what and where, a line each."""
        machine = self.machine
        return [
            f"machine class {machine.machine_class}: {machine.cpu_model}, {machine.physical_cores} cores, "
            f"{machine.nodes} NUMA nodes, kernel {machine.kernel}",
            *(placement.describe() for placement in self.placements),
            *(_describe(build) for build in self.builds.values()),
        ]

    def footer(self) -> list[str]:
        """Where the time went, in seconds of wall time."""
        passes_s = self.spent.passes_ns / 1e9
        return [
            f"{self.wall_s:.0f} s in all, {passes_s:.0f} s ({passes_s / self.wall_s:.0%}) of it inside timed or "
            "warm-up passes."
        ]

    def outcome(self, family: Family[Any], case: Case) -> Outcome:
        """What came of a case; the first case of a subject has its whole subject measured. PerfError when it could
        not be prepared, the same one for each of its cases.
        """
        if case.subject not in self._measured:
            with self.uncaptured(), self.progress.shown():
                self._measured[case.subject] = self._measure(family, case.subject)
        measured = self._measured[case.subject]
        if isinstance(measured, PerfError):
            raise measured
        return measured[_key(case)]

    def _measure(self, family: Family[Any], subject: str) -> dict[str, Outcome] | PerfError:
        cases = [case for case in self.selected if case.subject == subject]
        weight = sum({case.workload: case.weight for case in cases}.values())
        try:
            return self._measure_subject(family, subject, cases, weight)
        except PerfError as error:
            return error
        finally:
            self._done_weight += weight

    def _measure_subject(
        self, family: Family[Any], subject: str, cases: Sequence[Case], weight: float
    ) -> dict[str, Outcome]:
        resources = Resources(
            build=self.builds.__getitem__,
            placements=self.placements,
            cores=self.machine.physical_cores,
            cache=self.cache,
            scratch=self.scratch,
            timeout_s=self.options.timeout_s,
            say=self.progress.say,
        )
        plan = family.plan(subject, cases, resources)
        self.progress.tell(f"{subject}: checking answers", self._done_weight)
        checks = family.check(plan, resources)
        conditions = Conditions(
            placements=self.placements,
            effort=effort_of(self.options.tier),
            timeout_s=self.options.timeout_s,
            scratch=self.scratch,
        )

        def tell(text: str, share: float) -> None:
            self.progress.tell(text, self._done_weight + share * weight)

        problems = {name: check.problem for name, check in checks.items() if check.problem}
        results = measure(plan, problems, conditions, tell, self.spent)
        return {
            _key(case): Outcome(
                plan,
                case,
                results[case.workload],
                checks[case.variant],
                results[case.workload].failures.get(case.variant),
            )
            for case in cases
        }


def _describe(build: Build) -> str:
    features = "MKL-DNN" if build.facts.mkldnn else "no MKL-DNN"
    origin = "locked" if build.locked else "not locked"
    return f"build {build.role}: {build.requirement} ({features}, {origin})"


def _key(case: Case) -> str:
    return f"{case.workload} {case.variant}"


def start_session(
    options: Options,
    selected: Sequence[Case],
    scratch: Path,
    progress: ProgressLine,
    uncaptured: Callable[[], AbstractContextManager[None]],
) -> PerfSession:
    """Look at the machine, place the instances and make the builds ready. PerfError when any of it cannot be."""
    started_s = time.monotonic()
    topology = read_topology()
    placements = place_instances(
        topology, instances=options.instances, threads=options.threads, numactl=find_numactl(topology)
    )
    cache = cache_folder(options.cache)
    roles = sorted(frozenset().union(*(case.roles for case in selected)))
    with uncaptured():
        builds = {
            role: provision(role, override=options.overrides.get(role), cache=cache, say=progress.say) for role in roles
        }
    return PerfSession(
        options=options,
        machine=read_machine(topology=topology),
        placements=placements,
        builds=builds,
        cache=cache,
        scratch=scratch,
        selected=selected,
        progress=progress,
        uncaptured=uncaptured,
        started_s=started_s,
    )
