"""One pytest session's measuring: all cases when the first of them asks, and what is told of them."""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from perf.builds import Build, provision
from perf.cache import unusable
from perf.errors import PerfError
from perf.machine import findings, read_state
from perf.measure.engine import Conditions
from perf.measure.family import Case
from perf.measure.journal import Journal, find_journal
from perf.measure.plan import Effort
from perf.measure.results import Spent
from perf.measure.tiers import effort_of
from perf.plugin.context import context_of, journal_conditions, state_report
from perf.plugin.judging import Judging, start_judging
from perf.plugin.keeping import forget_old_sessions
from perf.plugin.measuring import Measured, Measuring
from perf.plugin.outcome import Outcome
from perf.plugin.record import record_of
from perf.plugin.setup import Setup
from perf.plugin.storage import Storage
from perf.runs.document import Context
from perf.runs.gate import Verdict

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
    spent: Spent = field(default_factory=Spent)
    records: list[dict[str, Any]] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    _measured: Measured | None = None

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
        passes_s, wall_s = self.spent.passes_ns / 1e9, self.setup.wall_s
        lines = [
            f"{wall_s:.0f} s in all, {passes_s:.0f} s ({passes_s / wall_s:.0%}) of it inside timed or warm-up passes."
        ]
        lines += _disturbance(self.records)
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

    def outcome(self, case: Case) -> Outcome:
        """What came of a case; the first one that is asked for has all selected cases measured. PerfError when its
        subject could not be prepared.
        """
        if self._measured is None:
            with self.setup.uncaptured(), self.setup.progress.shown():
                try:
                    self._measured = self._measuring().measured(self.selected)
                except PerfError as error:
                    self._measured = Measured(dict.fromkeys((case.id for case in self.selected), error), {})
        outcome = self._measured.outcomes[case.id]
        if isinstance(outcome, PerfError):
            raise outcome
        return outcome

    def figures(self, outcome: Outcome) -> dict[str, Any]:
        """A case's `extra_info`."""
        return record_of(outcome, self.setup.machine, self.setup.placements)

    def document(self, *, complete: bool) -> dict[str, Any]:
        """The session's own part of the stored run; `complete` when every selected case came to its end."""
        return {
            **msgspec.to_builtins(msgspec.structs.replace(self.context, complete=complete)),
            "tier": self.setup.options.tier,
            "state": state_report(self.setup.state, read_state()),
            "limits_gflop_per_s": dict(self.limits),
        }

    def _measuring(self) -> Measuring:
        setup, judging = self.setup, self.judging
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
            spent=self.spent,
            unsettled=lambda outcome: judging.unsettled(self.figures(outcome)) if judging else None,
            of_baseline=self._of_baseline,
        )

    def _of_baseline(self, build: Build) -> Build | None:
        """The build that the baseline was measured with in this one's role; None when it cannot be had."""
        wheel = self.judging.wheel(build.role) if self.judging else None
        if wheel is None or wheel.record_sha256 == build.record_sha256:
            return build if wheel else None
        try:
            found = provision(
                build.role,
                override=wheel.requirement,
                cache=self.setup.cache,
                say=self.setup.progress.say,
                blas_kernels=self.setup.options.blas_kernels,
                mpi=self.setup.options.mpi,
            )
        except PerfError as error:
            self.setup.progress.say(f"The wheel of the baseline cannot be measured side by side: {error}")
            return None
        return found if found.record_sha256 == wheel.record_sha256 else None


def _disturbance(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """How much was measured again because others took the CPUs, and what stayed disturbed nevertheless."""
    attempts, slots = (sum(record[name] for record in records) for name in ("attempts", "blocks"))
    blocks = {record["workload"]: (record["blocks"], record["blocks_disturbed"]) for record in records}
    whole, disturbed = (sum(counts) for counts in zip(*blocks.values(), strict=True)) if blocks else (0, 0)
    return [
        f"{attempts - slots} of {attempts} slots were disturbed and measured again; {disturbed} of {whole} blocks "
        "stayed disturbed and do not count."
    ]


def start_session(setup: Setup, storage: Storage, selected: Sequence[Case]) -> PerfSession:
    """Get ready to measure. PerfError when there is nothing to resume, or the journal cannot be kept."""
    options = setup.options
    context = context_of(options, setup.machine, setup.placements, setup.builds, setup.state)
    effort = effort_of(options.tier, options.invocations)
    # Before the journal: a baseline that the user named wrongly must not leave an empty one behind.
    judging = start_judging(storage, context, selected)
    conditions = journal_conditions(context, selected, effort)
    return PerfSession(
        setup=setup,
        selected=selected,
        effort=effort,
        context=context,
        journal=_open_journal(setup.cache / RUNS, conditions, resume=options.resume),
        judging=judging,
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
