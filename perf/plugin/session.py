"""One pytest session's measuring: what is measured, what came of it, and what is reported."""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from perf.builds import Build, build_with_content
from perf.cache import unusable
from perf.errors import PerfError
from perf.machine import findings, read_state
from perf.measure.cases import Measured, Measuring
from perf.measure.engine import Conditions
from perf.measure.family import Case
from perf.measure.journal import Journal, resume_journal
from perf.measure.outcome import Outcome
from perf.measure.plan import Plan, Variant
from perf.measure.stacks import BaselineArm, baseline_arm_of, stack_of
from perf.measure.tiers import Effort, effort_of
from perf.plugin.context import context_of, journal_conditions, state_report
from perf.plugin.setup import Setup
from perf.plugin.storage import Storage, choose_judge, forget_old_sessions
from perf.runs import schema
from perf.runs.baseline import TOLERANCES
from perf.runs.groups import RunVerdicts
from perf.runs.judges import Judge
from perf.runs.record import CaseRecord, case_of, record_of
from perf.runs.schema import RunContext
from perf.runs.tolerances import Tolerances, read_tolerances
from perf.runs.variances import Priors, priors_of
from perf.runs.verdict import Verdict
from perf.stack import OF_THE_SUITE, Stack, differing

RUNS = "runs"
# How an item ended that did not fail.
PASSED = "passed"
# These counters grow by the session's own work; what others did meanwhile is counted slot by slot.
OWN_DOING = frozenset({"cpu_pressure"})


@dataclass(kw_only=True)
class PerfSession:
    """State of a session. `records` holds the record of each case, in the order of the items, `refused` the verdict on
    those that could not be measured, `contested` the items, by id, that failed for their verdict alone.
    """

    setup: Setup
    selected: Sequence[Case]
    effort: Effort
    context: RunContext
    journal: Journal
    judge: Judge
    tolerances: Tolerances
    records: list[CaseRecord] = field(default_factory=list)
    refused: dict[str, Verdict] = field(default_factory=dict)
    contested: set[str] = field(default_factory=set)
    _measured: Measured = field(default_factory=lambda: Measured({}, {}))
    _error: Exception | None = None

    @property
    def limits(self) -> Mapping[str, float]:
        """GFLOP/s of each build in large matrix products, by role; empty when they were not measured."""
        return self._measured.limits

    def header(self) -> list[str]:
        """What is measured, on what and where, a line each."""
        lines = self.setup.header()
        lines += [
            f"INJECTED: {variant} does {share * 100:g} % more work in every pass, on purpose (--perf-inject). "
            "This is a test of the gate, not a measurement of MXNet."
            for variant, share in self.setup.options.injected.items()
        ]
        if self.judge.problem:
            lines.append(f"NO CASE WILL BE JUDGED: {self.judge.problem}")
        return lines

    def footer(self) -> list[str]:
        """Where the time went, in seconds of wall time, and what the machine did meanwhile."""
        lines = [*self._ledger_lines(), *_disturbance(self.records)]
        if self.limits:
            rates = ", ".join(f"{role} {rate:.0f} GFLOP/s" for role, rate in self.limits.items())
            size = self.effort.peak_size
            lines.append(f"The machine's own limit, a {size} x {size} FP32 matrix product through each build: {rates}.")
        changed = [f for f in findings(self.setup.state, read_state()) if f.verdict == "doubtful"]
        early = OWN_DOING | {f.check for f in findings(self.setup.state) if f.verdict == "doubtful"}
        lines += [f"doubtful while it ran: {f.check} {f.reading}: {f.advice}" for f in changed if f.check not in early]
        if self.journal.problem:
            lines.append(
                f"The journal could not be written, so that --perf-resume will not find it all: {self.journal.problem}"
            )
        return lines

    def _ledger_lines(self) -> list[str]:
        """The session's wall time by stage, and the shares of measuring and of the timed part that are passes."""
        seconds, wall_s = self.setup.ledger.seconds, self.setup.wall_s
        stages = [f"{name} {spent_s:.0f} s" for name, spent_s in seconds.items()]
        stages += [f"(of these, {name} {spent_s:.0f} s)" for name, spent_s in self.setup.ledger.parts.items()]
        counted_s = seconds.get("counted passes", 0.0)
        timed_s = counted_s + seconds.get("between passes", 0.0)
        warm_up_s = seconds.get("warm-up", 0.0)
        starting_s = seconds.get("starting workers", 0.0)
        measuring_s = timed_s + warm_up_s + starting_s
        lines = [f"Wall time: {wall_s:.0f} s: {', '.join(stages)}, the rest {wall_s - sum(seconds.values()):.0f} s."]
        if timed_s:
            lines.append(
                f"In passes: {counted_s / timed_s:.0%} of the timed part, "
                f"{(counted_s + warm_up_s) / measuring_s:.0%} of all measuring with warm-up."
            )
        return lines

    def measure(self) -> None:
        """Measure all selected cases. What keeps all of them from it is the error of each."""
        with self.setup.uncaptured(), self.setup.progress.shown():
            try:
                self._measured = self._measuring().measured(self.selected)
            except PerfError as error:
                self._measured = Measured(dict.fromkeys((case.id for case in self.selected), error), {})
            except Exception as error:  # noqa: BLE001 - a defect fails the measured items, and no others
                self._error = error

    def outcome(self, case: Case) -> Outcome:
        """What came of a case. PerfError when its subject could not be prepared; any other error that ended measuring
        is raised again for each case.
        """
        if self._error:
            raise self._error
        outcome = self._measured.outcomes[case.id]
        if isinstance(outcome, PerfError):
            raise outcome
        return outcome

    def judged(self, outcome: Outcome) -> tuple[CaseRecord, Verdict | None]:
        """A case's record, which is kept, and its verdict when it is judged."""
        placements, priors = self.setup.placements, self._all_priors
        case = case_of(outcome, placements)
        verdict = self.said.verdicts.get(case.name)
        record = record_of(
            outcome,
            case,
            machine_class=self.context.machine_class,
            placements=placements,
            prior=priors[case.family].within,
        )
        if verdict is not None:
            record = msgspec.structs.replace(record, verdict=verdict.record)
        self.records.append(record)
        return record, verdict

    def refuse(self, case: Case, reason: str) -> None:
        """Say of a case that was not measured that it is invalid."""
        if self.judge.compares:
            self.refused[case.id] = Verdict(case.id, "invalid", reason)

    @property
    def verdicts(self) -> RunVerdicts:
        """What is said of the cases whose items have run."""
        names = {record.name for record in self.records}
        found = {name: verdict for name, verdict in self.said.verdicts.items() if name in names}
        return replace(self.said, verdicts={**found, **self.refused})

    @cached_property
    def said(self) -> RunVerdicts:
        """What is said of all cases that were measured."""
        return self.judge.judged(self._cases)

    @cached_property
    def _all_priors(self) -> Mapping[str, Priors]:
        """What all cases that were measured say about variances."""
        return priors_of(self._cases, self.tolerances)

    @cached_property
    def _cases(self) -> list[schema.StoredCase]:
        """What is judged of the cases that were measured."""
        outcomes = self._measured.outcomes.values()
        sound = [found for found in outcomes if isinstance(found, Outcome) and found.failure is None]
        return [case_of(outcome, self.setup.placements) for outcome in sound]

    def _undecided(self, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """The cases that need another look, the one that seems slowest first."""
        cases = [case_of(outcome, self.setup.placements) for outcome in outcomes]
        priors = priors_of(cases, self.tolerances)
        losses = [self.judge.undecided(case, priors) for case in cases]
        seeming = [(loss, outcome) for loss, outcome in zip(losses, outcomes, strict=True) if loss is not None]
        return [outcome for _, outcome in sorted(seeming, key=lambda pair: -pair[0])]

    def document(self, ended: Mapping[str, str | None]) -> dict[str, Any]:
        """The session's own part of the stored run. `ended` says of each measured item, by its id, `PASSED`, why it
        failed, or None while it has not ended.
        """
        unsound = {name: why for name, why in ended.items() if why not in {PASSED, None} and name not in self.contested}
        return {
            **msgspec.to_builtins(
                msgspec.structs.replace(self.context, complete=None not in ended.values(), left_out=unsound)
            ),
            "tier": self.setup.options.tier,
            "state": state_report(self.setup.state, read_state()),
            "limits_gflop_per_s": dict(self.limits),
        }

    def _measuring(self) -> Measuring:
        setup = self.setup
        return Measuring(
            resources=setup.resources,
            conditions=Conditions(
                placements=setup.placements,
                effort=self.effort,
                timeout_s=setup.options.timeout_s,
                scratch=setup.scratch,
                journal=self.journal,
            ),
            injected=setup.options.injected,
            progress=setup.progress,
            ledger=setup.ledger,
            baseline_arm=self._baseline_arm,
            undecided=self._undecided,
        )

    def _baseline_arm(self, plan: Plan[Any], variant: Variant[Any], cases: Sequence[Case]) -> BaselineArm | str | None:
        """What runs beside a variant because the baseline ran another stack in one of its cases; why nothing can; or
        None. Cases whose baseline ran yet another stack than the twin's see what it lacks as missing.
        """
        now = stack_of(plan, variant, self.setup.placements)
        stored = self.judge.baseline.cases if self.judge.baseline else {}
        held = [stored[case.id].stack for case in cases if case.id in stored]
        others = [then for then in held if differing(then, now) - OF_THE_SUITE]
        if not others:
            return None
        baseline_arm = baseline_arm_of(plan, variant, others[0], self.setup.placements, self._build_like)
        names = sorted(differing(others[0], now) - OF_THE_SUITE)
        return baseline_arm or f"of what differs ({', '.join(names)}) nothing can be put back"

    def _build_like(self, build: Build, then: Stack) -> Build | None:
        """A build in the same role with a stored stack's wheel; None when it cannot be had."""
        options, cache = self.setup.options, self.setup.cache
        try:
            return build_with_content(
                build.role,
                content=then.wheel,
                requirement=then.requirement,
                cache=cache,
                say=self.setup.progress.say,
                mpi=options.mpi,
            )
        except PerfError as error:
            self.setup.progress.say(f"The baseline's wheel cannot be measured side by side: {error}")
            return None


def _disturbance(records: Sequence[CaseRecord]) -> list[str]:
    """How many blocks do not count because others took the CPUs."""
    blocks = {record.workload: (record.blocks, record.blocks_disturbed) for record in records}
    whole, disturbed = (sum(counts) for counts in zip(*blocks.values(), strict=True)) if blocks else (0, 0)
    near = [record.slots_near_fastest for record in records]
    lines = [f"{disturbed} of {whole} blocks were disturbed by other programs or the hypervisor and do not count."]
    if near:
        lines.append(
            f"{sum(near) / len(near):.0%} of slots took at most 1.1 times the fastest of their case; where the share "
            "is small, neighbours that no counter shows slowed the rest (uv run mxperf doctor)."
        )
    return lines


def start_session(setup: Setup, storage: Storage, selected: Sequence[Case]) -> PerfSession:
    """Get ready to measure. PerfError when there is nothing to resume, or the journal cannot be kept."""
    options = setup.options
    context = context_of(options, setup.machine, setup.state)
    effort = effort_of(options.tier, options.invocations)
    # Before the journal: a baseline that the user named wrongly must not leave an empty one behind.
    tolerances = read_tolerances(TOLERANCES)
    judge = choose_judge(storage, context, selected, tolerances)
    compared = f"{judge.name}, {judge.baseline.datetime}" if judge.baseline else None
    conditions = journal_conditions(context, options, setup.builds, selected, effort, compared)
    return PerfSession(
        setup=setup,
        selected=selected,
        effort=effort,
        context=context,
        journal=_open_journal(setup.cache / RUNS, conditions, resume=options.resume),
        judge=judge,
        tolerances=tolerances,
    )


def _open_journal(runs: Path, conditions: Mapping[str, Any], *, resume: bool) -> Journal:
    if resume:
        return resume_journal(runs, conditions)
    try:
        runs.mkdir(exist_ok=True)
        forget_old_sessions(runs)
        return Journal(runs / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}", conditions)
    except OSError as error:
        raise unusable(runs, error) from error
