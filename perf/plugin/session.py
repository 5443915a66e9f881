"""One pytest session's measuring: all cases when the first of them asks, and what is told of them."""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from perf.builds import Build, build_with_content
from perf.cache import unusable
from perf.errors import PerfError
from perf.machine import findings, read_state
from perf.measure.engine import Conditions
from perf.measure.family import Case
from perf.measure.journal import Journal, resume_journal
from perf.measure.plan import Effort, Plan, Variant
from perf.measure.stacks import Twin, program_like, stack_of, twin_of
from perf.measure.tiers import effort_of
from perf.plugin.context import context_of, journal_conditions, state_report
from perf.plugin.judging import Judging, start_judging
from perf.plugin.keeping import forget_old_sessions
from perf.plugin.measuring import Measured, Measuring
from perf.plugin.outcome import Outcome
from perf.plugin.record import case_of, record_of
from perf.plugin.setup import Setup
from perf.plugin.storage import Storage
from perf.runs.baseline import TOLERANCES
from perf.runs.document import Context
from perf.runs.gate import Priors, Verdict, priors_of
from perf.runs.tolerances import Tolerances, read_tolerances
from perf.stack import OF_THE_SUITE, Stack, differing

RUNS = "runs"
# These counters grow by the session's own work; what others did meanwhile is counted slot by slot.
OWN_DOING = frozenset({"cpu_pressure"})


@dataclass(kw_only=True)
class PerfSession:
    """State of a session. `records` gathers what was recorded of each case, in the order of the items, `verdicts` what
    was said of it.
    """

    setup: Setup
    selected: Sequence[Case]
    effort: Effort
    context: Context
    journal: Journal
    judging: Judging | None
    tolerances: Tolerances
    records: list[dict[str, Any]] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    _measured: Measured | None = None
    _error: Exception | None = None

    @property
    def limits(self) -> Mapping[str, float]:
        """GFLOP/s of each build in large matrix products, by role; empty when they were not measured."""
        return self._measured.limits if self._measured else {}

    def header(self) -> list[str]:
        """What is measured, on what and where, a line each."""
        lines = self.setup.header()
        lines += [
            f"INJECTED: {variant} does {share * 100:g} % more work in every pass, on purpose (--perf-inject). "
            "This is a test of the gate, not a measurement of MXNet."
            for variant, share in self.setup.options.injected.items()
        ]
        if self.judging and self.judging.problem:
            lines.append(f"NO CASE WILL BE JUDGED: {self.judging.problem}")
        return lines

    def footer(self) -> list[str]:
        """Where the time went, in seconds of wall time, and what the machine did meanwhile."""
        lines = [*self._ledger_lines(), *_disturbance(self.records)]
        if self.limits:
            rates = ", ".join(f"{role} {rate:.0f} GFLOP/s" for role, rate in self.limits.items())
            size = self.effort.limit_size
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

    def outcome(self, case: Case) -> Outcome:
        """What came of a case; the first one that is asked for has all selected cases measured. PerfError when its
        subject could not be prepared. Whatever else ended the measuring is raised again for each case: nothing is
        measured twice.
        """
        if self._error:
            raise self._error
        if self._measured is None:
            with self.setup.uncaptured(), self.setup.progress.shown():
                try:
                    self._measured = self._measuring().measured(self.selected)
                except PerfError as error:
                    self._measured = Measured(dict.fromkeys((case.id for case in self.selected), error), {})
                except Exception as error:
                    self._error = error
                    raise
        outcome = self._measured.outcomes[case.id]
        if isinstance(outcome, PerfError):
            raise outcome
        return outcome

    def figures(self, outcome: Outcome) -> tuple[dict[str, Any], Verdict | None]:
        """A case's `extra_info`, and its verdict when it is judged."""
        setup, judged = self.setup, case_of(outcome, self.setup.placements)
        priors = self._all_priors
        figures = record_of(outcome, judged, setup.machine, len(setup.placements), priors[judged.family].within)
        return figures, self.judging.verdict(judged, priors) if self.judging else None

    @cached_property
    def _all_priors(self) -> Mapping[str, Priors]:
        """What all cases that were measured say about variances."""
        outcomes = self._measured.outcomes.values() if self._measured else ()
        sound = [found for found in outcomes if isinstance(found, Outcome) and found.failure is None]
        return priors_of([case_of(outcome, self.setup.placements) for outcome in sound], self.tolerances)

    def _undecided(self, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """The cases that need another look, the one that seems slowest first."""
        if self.judging is None:
            return []
        cases = [case_of(outcome, self.setup.placements) for outcome in outcomes]
        priors = priors_of(cases, self.tolerances)
        losses = [self.judging.undecided(case, priors) for case in cases]
        seeming = [(loss, outcome) for loss, outcome in zip(losses, outcomes, strict=True) if loss is not None]
        return [outcome for _, outcome in sorted(seeming, key=lambda pair: -pair[0])]

    def document(self, *, complete: bool) -> dict[str, Any]:
        """The session's own part of the stored run; `complete` when every selected case came to its end."""
        return {
            **msgspec.to_builtins(msgspec.structs.replace(self.context, complete=complete)),
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
            twin=self._twin,
            undecided=self._undecided,
        )

    def _twin(self, plan: Plan, variant: Variant, cases: Sequence[Case]) -> Twin | str | None:
        """What runs beside a variant because the baseline ran another stack in one of its cases; why nothing can; or
        None. Cases whose baseline ran yet another stack than the twin's see what it lacks as missing.
        """
        now = stack_of(plan, variant, self.setup.placements)
        stored = [self.judging.stack(case.id) for case in cases] if self.judging else []
        others = [then for then in stored if then and differing(then, now) - OF_THE_SUITE]
        if not others:
            return None
        twin = twin_of(plan, variant, others[0], self.setup.placements, self._build_like, program_like)
        names = sorted(differing(others[0], now) - OF_THE_SUITE)
        return twin or f"of what differs ({', '.join(names)}) nothing can be put back"

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


def _disturbance(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """How many blocks do not count because others took the CPUs."""
    blocks = {record["workload"]: (record["blocks"], record["blocks_disturbed"]) for record in records}
    whole, disturbed = (sum(counts) for counts in zip(*blocks.values(), strict=True)) if blocks else (0, 0)
    near = [record["slots_near_fastest"] for record in records]
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
    judging = start_judging(storage, context, selected)
    compared = judging.content if judging else None
    conditions = journal_conditions(context, options, setup.builds, selected, effort, compared)
    return PerfSession(
        setup=setup,
        selected=selected,
        effort=effort,
        context=context,
        journal=_open_journal(setup.cache / RUNS, conditions, resume=options.resume),
        judging=judging,
        tolerances=read_tolerances(TOLERANCES),
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
