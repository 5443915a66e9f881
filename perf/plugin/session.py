"""One pytest session's measuring: the machine and the builds once, each subject once, when its first case asks."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from perf.builds import Build, provision
from perf.cache import cache_folder, unusable
from perf.errors import PerfError
from perf.machine import (
    Machine,
    Placement,
    State,
    find_numactl,
    findings,
    place_instances,
    read_machine,
    read_state,
    read_topology,
)
from perf.measure.engine import Conditions, measure
from perf.measure.family import Case, Family, Resources
from perf.measure.journal import Journal, find_journal
from perf.measure.plan import Effort, Plan
from perf.measure.results import Spent, WorkloadResult
from perf.measure.tiers import effort_of
from perf.plugin.context import context_of, journal_conditions, state_report
from perf.plugin.judging import Judging, start_judging
from perf.plugin.keeping import forget_old_sessions
from perf.plugin.options import Options
from perf.plugin.outcome import Outcome
from perf.plugin.record import record_of
from perf.plugin.storage import Storage
from perf.report.progress import ProgressLine
from perf.runs.document import Context
from perf.runs.gate import Verdict

RUNS = "runs"
# What is measured because the first look was suspicious; shown to the user as "repetition 1".
AGAIN = "repetition"


@dataclass(kw_only=True)
class PerfSession:
    """State of a session. `records` gathers what was recorded of each case, in the order of the items, `verdicts` what
    was said of it.
    """

    options: Options
    machine: Machine
    state: State
    placements: tuple[Placement, ...]
    builds: Mapping[str, Build]
    cache: Path
    scratch: Path
    selected: Sequence[Case]
    effort: Effort
    context: Context
    journal: Journal
    judging: Judging | None
    progress: ProgressLine
    uncaptured: Callable[[], AbstractContextManager[None]]
    started_s: float
    spent: Spent = field(default_factory=Spent)
    records: list[dict[str, Any]] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
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
            *self.warnings(),
        ]

    def warnings(self) -> list[str]:
        """What makes this session's numbers something else than they look like."""
        lines = [
            f"INJECTED: {variant} does {share * 100:g} % more work in every pass, on purpose (--perf-inject). "
            "This is a test of the gate, not a measurement of MXNet."
            for variant, share in self.options.injected.items()
        ]
        if self.judging and self.judging.problem:
            lines.append(f"NO CASE WILL BE JUDGED: {self.judging.problem}")
        doubtful = [f"{f.check} {f.reading}" for f in findings(self.state) if f.verdict == "doubtful"]
        if doubtful:
            lines.append(f"doubtful before it began: {'; '.join(doubtful)} (uv run mxperf doctor)")
        return lines

    def footer(self) -> list[str]:
        """Where the time went, in seconds of wall time, and what the machine did meanwhile."""
        passes_s = self.spent.passes_ns / 1e9
        lines = [
            f"{self.wall_s:.0f} s in all, {passes_s:.0f} s ({passes_s / self.wall_s:.0%}) of it inside timed or "
            "warm-up passes."
        ]
        changed = [f for f in findings(self.state, read_state()) if f.verdict == "doubtful"]
        early = {f.check for f in findings(self.state) if f.verdict == "doubtful"}
        lines += [f"doubtful while it ran: {f.check} {f.reading}: {f.advice}" for f in changed if f.check not in early]
        if self.journal.problem:
            lines.append(
                f"The journal could not be written, so that this session cannot be resumed: {self.journal.problem}"
            )
        return lines

    def outcome(self, family: Family[Any], case: Case) -> Outcome:
        """What came of a case; the first case of a subject has its whole subject measured. PerfError when it could
        not be prepared, the same one for each of its cases.
        """
        key = f"{family.name} {case.subject}"
        if key not in self._measured:
            with self.uncaptured(), self.progress.shown():
                self._measured[key] = self._measure(family, case.subject)
        measured = self._measured[key]
        if isinstance(measured, PerfError):
            raise measured
        return measured[_key(case)]

    def figures(self, family: Family[Any], outcome: Outcome) -> dict[str, Any]:
        """A case's `extra_info`."""
        published = family.published(outcome.case)
        return record_of(outcome, family.name, self.machine, self.placements, published)

    def document(self, *, complete: bool) -> dict[str, Any]:
        """The session's own part of the stored run; `complete` when every selected case came to its end."""
        return {
            **msgspec.to_builtins(msgspec.structs.replace(self.context, complete=complete)),
            "tier": self.options.tier,
            "state": state_report(self.state, read_state()),
        }

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
        plan = _injected(family.plan(subject, cases, resources), self.options.injected)
        checks = self.journal.checks(subject)
        if checks is None:
            self.progress.tell(f"{subject}: checking answers", self._done_weight)
            checks = family.check(plan, resources)
            self.journal.keep_checks(subject, checks)
        conditions = Conditions(
            placements=self.placements,
            effort=self.effort,
            timeout_s=self.options.timeout_s,
            scratch=self.scratch,
            journal=self.journal,
        )

        def tell(text: str, share: float) -> None:
            self.progress.tell(text, self._done_weight + share * weight)

        problems = {name: check.problem for name, check in checks.items() if check.problem}
        results = measure(plan, problems, conditions, tell, self.spent)
        nothing = WorkloadResult((), {})
        outcomes = [Outcome(plan, case, results[case.workload], nothing, checks[case.variant]) for case in cases]
        suspects = {outcome.case.workload for outcome in outcomes if self._suspicious(family, outcome)}
        if suspects:
            again = replace(plan, workloads=tuple(w for w in plan.workloads if w.name in suspects))
            count = self.effort.again_invocations
            effort = replace(self.effort, min_invocations=count, max_invocations=count)
            conditions = replace(conditions, effort=effort, phase=AGAIN)
            repeated = measure(again, problems, conditions, lambda text, _: tell(text, 1.0), self.spent)
            outcomes = [replace(outcome, again=repeated.get(outcome.case.workload, nothing)) for outcome in outcomes]
        return {_key(outcome.case): outcome for outcome in outcomes}

    def _suspicious(self, family: Family[Any], outcome: Outcome) -> bool:
        if self.judging is None or outcome.failure is not None:
            return False
        return self.judging.suspicious(self.figures(family, outcome))


def _injected(plan: Plan, injected: Mapping[str, float]) -> Plan:
    """The plan with slowdowns made on purpose. PerfError when it has no such variant."""
    names = [variant.name for variant in plan.variants]
    for name in injected:
        if name not in names:
            message = f"{plan.subject} has no variant {name}"
            raise PerfError(message, subject="--perf-inject", next_step=f"name one of {', '.join(names)}")
    variants = tuple(replace(variant, extra_work=injected.get(variant.name, 0.0)) for variant in plan.variants)
    return replace(plan, variants=variants)


def _describe(build: Build) -> str:
    features = "MKL-DNN" if build.facts.mkldnn else "no MKL-DNN"
    origin = "locked" if build.locked else "not locked"
    return f"build {build.role}: {build.requirement} ({features}, {origin})"


def _key(case: Case) -> str:
    return f"{case.workload} {case.variant}"


def start_session(
    options: Options,
    storage: Storage,
    selected: Sequence[Case],
    scratch: Path,
    progress: ProgressLine,
    uncaptured: Callable[[], AbstractContextManager[None]],
) -> PerfSession:
    """Look at the machine, place the instances and make the builds ready. PerfError when any of it cannot be."""
    started_s = time.monotonic()
    state = read_state()
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
    machine = read_machine(topology=topology)
    context = context_of(options, machine, placements, builds, state)
    effort = effort_of(options.tier, options.invocations)
    return PerfSession(
        options=options,
        machine=machine,
        state=state,
        placements=placements,
        builds=builds,
        cache=cache,
        scratch=scratch,
        selected=selected,
        effort=effort,
        context=context,
        journal=_open_journal(cache / RUNS, journal_conditions(context, selected, effort), resume=options.resume),
        judging=start_judging(storage, context, selected),
        progress=progress,
        uncaptured=uncaptured,
        started_s=started_s,
    )


def _open_journal(runs: Path, conditions: Mapping[str, Any], *, resume: bool) -> Journal:
    if resume:
        return Journal(find_journal(runs, conditions), conditions)
    try:
        runs.mkdir(exist_ok=True)
        forget_old_sessions(runs)
        return Journal(runs / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}", conditions)
    except OSError as error:
        raise unusable(runs, error) from error
