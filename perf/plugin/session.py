"""One pytest session's measuring: what is measured, the outcomes, and the verdicts on them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import msgspec
import pytest

from perf.builds import Build, build_with_content
from perf.errors import PerfError
from perf.machine import read_state
from perf.measure.cases import Measured, Measuring
from perf.measure.engine import Conditions
from perf.measure.family import Case
from perf.measure.forecast import ITEM_S
from perf.measure.journal import Journal
from perf.measure.outcome import Outcome
from perf.measure.peak import MachineRates
from perf.measure.plan import Plan, Variant
from perf.measure.stacks import BaselineArm, baseline_arm_of, stack_of
from perf.measure.tiers import Effort, effort_of
from perf.plugin.context import compared_with, context_of, journal_conditions, open_journal, state_report
from perf.plugin.setup import Setup
from perf.plugin.storage import RUNS, Storage, choose_judge, known_latencies
from perf.report.properties import Property, properties_of
from perf.runs import schema
from perf.runs.baseline import TOLERANCES
from perf.runs.explanation import Explanation
from perf.runs.groups import RunVerdicts
from perf.runs.judges import Judge
from perf.runs.record import CaseRecord, case_of, record_of
from perf.runs.schema import RunContext, Shard
from perf.runs.tolerances import ToleranceEntry, Tolerances, read_tolerances
from perf.runs.variances import Priors, priors_of
from perf.runs.verdict import Verdict
from perf.stack import Stack, build_changes
from perf.wording import counted

# How an item ended that did not fail.
PASSED = "passed"


@dataclass(kw_only=True)
class PerfSession:
    """The state of a session that measures.

    setup: the machine, the builds and where they run.
    selected: the cases to measure.
    effort: how hard to measure.
    context: what the run stores besides its cases.
    journal: what has been measured so far, on the disk.
    judge: what judges the cases.
    tolerances: which losses matter.
    latencies: seconds of a pass by case, from stored runs; used only to estimate remaining time.
    afterwards_s: the seconds that checks of answers take after measuring; used only for that too.
    records: the record of each case, in the order of the items.
    refused: the verdicts on cases that could not be measured, by case.
    contested: the items, by id, that failed only because of their verdict.
    explanations: where the time of changed cases goes, by case.
    unfinished: how many items had not ended when the session did.
    """

    setup: Setup
    selected: Sequence[Case]
    effort: Effort
    context: RunContext
    journal: Journal
    judge: Judge
    tolerances: Tolerances
    latencies: Mapping[str, float] = field(default_factory=dict)
    afterwards_s: float = 0.0
    records: list[CaseRecord] = field(default_factory=list)
    refused: dict[str, Verdict] = field(default_factory=dict)
    contested: set[str] = field(default_factory=set)
    explanations: Mapping[str, Explanation] = field(default_factory=dict)
    unfinished: int = 0
    _measured: Measured = field(default_factory=lambda: Measured({}))
    _error: Exception | None = None

    @property
    def rates(self) -> MachineRates:
        """How fast the machine and each build's BLAS compute."""
        return self._measured.rates

    def header(self) -> list[str]:
        """Return what is measured, on what and where, a line each."""
        return [*self.setup.header(), *self.warnings]

    @property
    def warnings(self) -> list[str]:
        """What keeps the figures or the verdicts from meaning what they say, a line each."""
        lines = []
        shard = self.context.shard
        if shard:
            cases = f"{len(self.selected)} of {counted(len(shard.items), 'case')}"
            lines.append(f"{shard.text}: {cases}, balanced by {shard.balanced_by}; verdicts count once it is merged")
        lines += [
            f"INJECTED: {variant} does {fraction * 100:g} % more work in every pass, on purpose (--perf-inject). "
            "This is a test of the gate, not a measurement of MXNet."
            for variant, fraction in self.setup.options.injected.items()
        ]
        return [*lines, f"NO CASE WILL BE JUDGED: {self.judge.problem}"] if self.judge.problem else lines

    def measure(self) -> None:
        """Measure all selected cases. An error that keeps all of them from being measured becomes the error of each."""
        with self.setup.uncaptured(), self.setup.progress.shown():
            try:
                self._measured = self._measuring().measured(self.selected)
            except PerfError as error:
                self._measured = Measured(dict.fromkeys((case.id for case in self.selected), error))
            except Exception as error:  # noqa: BLE001 - a defect fails the measured items only
                self._error = error

    def outcome(self, case: Case) -> Outcome:
        """Return the outcome of a case.

        Raises PerfError when its subject could not be prepared; any other error that ended measuring is raised again
        for each case.
        """
        if self._error:
            raise self._error
        outcome = self._measured.outcomes[case.id]
        if isinstance(outcome, PerfError):
            raise outcome
        return outcome

    def judged(self, outcome: Outcome) -> tuple[CaseRecord, Verdict | None]:
        """Return a case's record, which `records` then holds, and its verdict when it is judged."""
        placements, priors = self.setup.placements, self._all_priors
        case = case_of(outcome, placements)
        verdict = self.all_verdicts.verdicts.get(case.name)
        record = record_of(
            outcome,
            case,
            machine_class=self.context.machine_class,
            placements=placements,
            prior=priors[case.family].within,
            limits=self.rates.limits,
        )
        explanation, judged = self.explanations.get(case.name), verdict.record if verdict else None
        record = msgspec.structs.replace(record, verdict=judged, explanation=explanation)
        self.records.append(record)
        return record, verdict

    def refuse(self, case: Case, reason: str) -> None:
        """Let the verdict on a case that was not measured be invalid."""
        if self.judge.compares:
            self.refused[case.id] = Verdict(case.id, "invalid", reason)

    def properties(self, case: Case) -> list[Property]:
        """Return the properties of a case's item, which has run."""
        record = next((record for record in self.records if record.name == case.id), None)
        return properties_of(record, self.verdicts.verdicts.get(case.id), self.judge)

    @property
    def verdicts(self) -> RunVerdicts:
        """The verdicts on cases whose items have run."""
        names = {record.name for record in self.records}
        judged = {name: verdict for name, verdict in self.all_verdicts.verdicts.items() if name in names}
        return replace(self.all_verdicts, verdicts={**judged, **self.refused})

    @cached_property
    def all_verdicts(self) -> RunVerdicts:
        """The verdicts on all cases that were measured."""
        return self.judge.judged(self._cases)

    @cached_property
    def _all_priors(self) -> Mapping[str, Priors]:
        """The variance priors of all cases that were measured, by family."""
        return priors_of(self._cases, self.tolerances)

    @cached_property
    def _cases(self) -> list[schema.StoredCase]:
        """The judged part of the cases that were measured."""
        outcomes = self._measured.outcomes.values()
        sound = [outcome for outcome in outcomes if isinstance(outcome, Outcome) and outcome.failure is None]
        return [case_of(outcome, self.setup.placements) for outcome in sound]

    def _undecided(self, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """The cases that need confirmation, the one with the largest apparent slowdown first."""
        cases = [case_of(outcome, self.setup.placements) for outcome in outcomes]
        priors = priors_of(cases, self.tolerances)
        losses = [self.judge.undecided(case, priors) for case in cases]
        undecided = [(loss, outcome) for loss, outcome in zip(losses, outcomes, strict=True) if loss is not None]
        return [outcome for _, outcome in sorted(undecided, key=lambda pair: -pair[0])]

    def context_at_end(self, ended: Mapping[str, str | None]) -> RunContext:
        """Return the run's context with what became of the measured items (`ended`, as for `document`)."""
        unsound = {name: why for name, why in ended.items() if why not in {PASSED, None} and name not in self.contested}
        return msgspec.structs.replace(self.context, complete=None not in ended.values(), left_out=unsound)

    def document(self, ended: Mapping[str, str | None]) -> dict[str, Any]:
        """Return the session's own part of the stored run.

        `ended` holds for each measured item, by its id, `PASSED`, why it failed, or None while it has not ended.
        """
        return {
            **msgspec.to_builtins(self.context_at_end(ended)),
            "compared_with": compared_with(self.judge),
            "state": state_report(self.setup.state, read_state()),
            "limits_gflop_per_s": dict(self.rates.peaks_gflop_per_s),
            "blas": dict(self.rates.blas),
            "machine_limits": msgspec.to_builtins(self.rates.limits),
            "wall_time_s": {**self.setup.ledger.seconds, "the whole session": self.setup.wall_s},
            "curves": self.setup.curves,
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
                latencies=self.latencies,
            ),
            injected=setup.options.injected,
            progress=setup.progress,
            ledger=setup.ledger,
            baseline_arm=self._baseline_arm,
            undecided=self._undecided,
            afterwards_s=self.afterwards_s,
        )

    def _baseline_arm(self, plan: Plan[Any], variant: Variant[Any], cases: Sequence[Case]) -> BaselineArm | str | None:
        """The baseline arm of a variant, with the stack that the baseline ran in its cases; why there can be none; None
        where the stacks are the same.

        Cases of one variant may have run several stacks in the baseline: the arm runs the first of them, and for the
        other cases the difference counts as missing.
        """
        now = stack_of(plan, variant, self.setup.placements)
        stored = self.judge.baseline.cases if self.judge.baseline else {}
        stacks = [stored[case.id].stack for case in cases if case.id in stored]
        changed = [then for then in stacks if build_changes(then, now)]
        if not changed:
            return None
        then = changed[0]
        baseline_arm = baseline_arm_of(plan, variant, then, self.setup.placements, self._build_like)
        names = sorted(build_changes(then, now))
        return baseline_arm or f"of what differs ({', '.join(names)}) nothing can be put back"

    def _build_like(self, build: Build, then: Stack) -> Build | None:
        """The build with a stored stack's wheel in the same role; None when it cannot be made."""
        try:
            return build_with_content(
                build.role,
                content=then.wheel,
                requirement=then.requirement,
                cache=self.setup.cache,
                say=self.setup.progress.say,
                mpi=self.setup.options.mpi,
            )
        except PerfError as error:
            self.setup.progress.say(f"The baseline's wheel cannot be measured side by side: {error}")
            return None


SESSION = pytest.StashKey[PerfSession]()
# How each measured item ended, by its id: `PASSED`, why it failed, or None while it has not.
ENDED = pytest.StashKey[dict[str, str | None]]()


def start_session(
    setup: Setup,
    storage: Storage,
    selected: Sequence[Case],
    marked: Mapping[str, ToleranceEntry],
    checks: int,
    shard: Shard | None,
) -> PerfSession:
    """Return a session that is ready to measure the `selected` cases, which are a `shard` of a night or all, with the
    tolerances that they are `marked` with. This number of `checks` of answers follows.

    Raises PerfError when there is nothing to resume, or the journal cannot be written.
    """
    options = setup.options
    arguments = (*options.arguments(), *storage.arguments)
    context = context_of(options, setup.machine, setup.state, marked, shard, arguments)
    effort = effort_of(options.tier, options.invocations)
    # Before the journal: a baseline that the user named wrongly must not leave an empty one behind.
    tolerances = read_tolerances(TOLERANCES)
    judge = choose_judge(storage, context, selected, tolerances)
    conditions = journal_conditions(context, options, setup.builds, selected, effort, compared_with(judge))
    return PerfSession(
        setup=setup,
        selected=selected,
        effort=effort,
        context=context,
        journal=open_journal(setup.cache / RUNS, conditions, options),
        judge=judge,
        tolerances=tolerances,
        latencies=known_latencies(storage, context.machine_class),
        afterwards_s=checks * ITEM_S,
    )
