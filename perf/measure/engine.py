"""Measuring a plan: invocations of fresh workers, workloads in these, and interleaved blocks in those."""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from perf.errors import WorkerError
from perf.machine import Placement
from perf.measure.forecast import SIDE_BY_SIDE_BUDGET, Forecast
from perf.measure.journal import InvocationLine, Journal
from perf.measure.ledger import Ledger
from perf.measure.outcome import stop_reason
from perf.measure.plan import Plan, SubjectKey, Workload, WorkloadKey
from perf.measure.results import Block, Failure, Invocation, Slot, StopReason, WarmUp, WorkloadResult, merged
from perf.measure.stacks import stacks_of
from perf.measure.tiers import Effort
from perf.measure.workers.runner import Runner
from perf.measure.workers.turns import turn
from perf.measure.workers.worker_group import WorkerGroup

# Shows what is being done, and how many seconds the plans still take.
Show = Callable[[str, float], None]


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """How a plan is measured.

    placements: where instances run.
    effort: how hard to measure.
    timeout_s: how long a worker may take to answer.
    scratch: a folder for temporary files.
    journal: where each invocation is recorded.
    confirming: the variant that is remeasured because screening left it undecided; None while screening.
    latencies: seconds of a pass by case, from a stored run; used only to estimate remaining time.
    """

    placements: tuple[Placement, ...]
    effort: Effort
    timeout_s: float
    scratch: Path
    journal: Journal
    confirming: str | None = None
    latencies: Mapping[str, float] = field(default_factory=dict)

    def invocation_label(self, workload: Workload) -> str:
        """Return how progress calls an invocation: "invocation" or "confirming resnet50_v1-b8-mkl-int8"."""
        return f"confirming {workload.name}-{self.confirming}" if self.confirming else "invocation"


def measure(
    plans: Sequence[Plan[Any]],
    problems: Mapping[SubjectKey, Mapping[str, Failure]],
    conditions: Conditions,
    show: Show,
    ledger: Ledger,
) -> dict[WorkloadKey, WorkloadResult]:
    """Measure what the journal does not yet hold of the plans, and return all results by workload.

    Invocations rotate: the first of every plan, then the second of every plan, so that a workload's invocations have
    the program in common but not the minute in which they ran. A variant that fails stops nothing else; its failure is
    in the result. `problems` are variants that failed before, by subject and name: they are not timed, and fail in
    every workload.
    """
    forecast = Forecast(plans, conditions.effort, conditions.latencies, conditions.placements[0].threads)

    def show_progress(text: str) -> None:
        measured = {m.key_of(w): m.result(w).invocations for m in measurements for w in m.workloads}
        elapsed_s = {key: [invocation.elapsed_s for invocation in done] for key, done in measured.items()}
        show(text, forecast.left_s(elapsed_s, {m.key_of(w) for m in measurements for w in m.open_workloads()}))

    measurements = [_Measurement(plan, problems.get(plan.key, {}), conditions, show_progress, ledger) for plan in plans]
    while any(measurement.open_workloads() for measurement in measurements):
        for measurement in measurements:
            measurement.invoke(measurement.open_workloads())
    return {
        measurement.key_of(workload): measurement.final(workload)
        for measurement in measurements
        for workload in measurement.workloads
    }


class _Measurement:
    """The state of one plan's measurement."""

    def __init__(
        self,
        plan: Plan[Any],
        problems: Mapping[str, Failure],
        conditions: Conditions,
        show: Callable[[str], None],
        ledger: Ledger,
    ) -> None:
        self.workloads = plan.workloads
        self._plan = plan
        self._show = show
        self._conditions = conditions
        self._effort = plan.effort or conditions.effort
        self._ledger = ledger
        self._stacks = stacks_of(plan, conditions.placements)
        journal, confirming = conditions.journal, conditions.confirming
        earlier = {w.name: journal.result(plan.key_of(w), confirming, self._stacks) for w in plan.workloads}
        self._invocations = {name: list(result.invocations) for name, result in earlier.items()}
        # A plan may have only some of its subject's variants: failures of the rest do not count here.
        own = {variant.name: problems[variant.name] for variant in plan.variants if variant.name in problems}
        self._failures = {name: {**own, **result.failures} for name, result in earlier.items()}

    def key_of(self, workload: Workload) -> WorkloadKey:
        """Return a workload's key."""
        return self._plan.key_of(workload)

    def result(self, workload: Workload) -> WorkloadResult:
        """Return what has been measured of a workload."""
        return WorkloadResult(tuple(self._invocations[workload.name]), self._failures[workload.name])

    def open_workloads(self) -> list[Workload]:
        """Return the workloads that need another invocation."""
        return [workload for workload in self.workloads if self._stopped(workload) is None]

    def final(self, workload: Workload) -> WorkloadResult:
        """Return what has been measured of a workload, with the reason for measuring no more."""
        return replace(self.result(workload), stopped=self._stopped(workload))

    def _stopped(self, workload: Workload) -> StopReason | None:
        return stop_reason(self._plan, self.result(workload), self._effort)

    def invoke(self, workloads: Sequence[Workload]) -> None:
        """Run one invocation: fresh workers for every variant, and all `workloads`, each in blocks of its own."""
        runners: dict[str, Runner] = {}
        try:
            for workload in workloads:
                invocations = self._invocations[workload.name]
                self._show(f"{workload.name}, {self._conditions.invocation_label(workload)} {len(invocations) + 1}")
                started = time.monotonic()
                needed = [v.name for v in self._plan.variants if v.name not in self._failures[workload.name]]
                with self._ledger.stage("starting workers"):
                    self._start_missing(runners, needed, workload)
                measured = self._measure(runners, workload)
                invocations.append(replace(measured, elapsed_s=time.monotonic() - started))
                line = InvocationLine(
                    key=self.key_of(workload),
                    confirming=self._conditions.confirming,
                    stacks=self._stacks,
                    invocation=invocations[-1],
                    failures=dict(self._failures[workload.name]),
                )
                self._conditions.journal.record(line)
        finally:
            for runner in runners.values():
                runner.close()

    def _start_missing(self, runners: dict[str, Runner], needed: Sequence[str], workload: Workload) -> None:
        """Start all needed runners that are missing. Failures belong to `workload`."""
        variants = {variant.name: variant for variant in self._plan.variants}
        start = self._plan.start or WorkerGroup
        missing = [name for name in needed if name not in runners]
        for name in missing:
            with self._failing(runners, name, workload, "starting"):
                runners[name] = start(
                    variants[name],
                    self._conditions.placements,
                    self._conditions.scratch,
                    timeout_s=self._conditions.timeout_s,
                )

    def _prepare(self, runners: dict[str, Runner], names: Sequence[str], workload: Workload) -> None:
        """Prepare all runners at the same time: of two equal workers, the one that loaded first was slower by 2 %
        (docs/explanation/gate.md).
        """
        if not names:
            return
        acting = {name: runners[name] for name in names}
        for runner in acting.values():
            runner.release()
        with ThreadPoolExecutor(len(acting)) as pool:
            pending = {name: pool.submit(runner.prepare, workload) for name, runner in acting.items()}
        for name, future in pending.items():
            with self._failing(runners, name, workload, "starting"):
                future.result()
        for name in names:
            if name in runners:
                with self._failing(runners, name, workload, "starting"):
                    runners[name].hold()

    def _measure(self, runners: dict[str, Runner], workload: Workload) -> Invocation:
        number = len(self._invocations[workload.name])
        order = [variant.name for variant in self._plan.variants if variant.name in runners]
        order = [name for name in order if name not in self._failures[workload.name]]
        if number % 2:
            order.reverse()  # alternates which variant warms up first, also with a single block in an invocation
        with self._ledger.stage("starting workers"):
            self._prepare(runners, order, workload)
        order = [name for name in order if name in runners]
        warm_ups: dict[str, WarmUp] = {}
        with self._ledger.stage("warm-up"):
            for name in order:
                with self._failing(runners, name, workload, "warming up"), turn(runners[name]):
                    warm_ups[name] = runners[name].warm_up(self._effort)
        with self._ledger.stage("between passes"):
            blocks = list(self._blocks(runners, order, workload, random.Random(number)))  # noqa: S311 - an order is drawn
        peaks = {}
        for name in [name for name in order if name in runners]:
            with self._failing(runners, name, workload, "being freed"), turn(runners[name]):
                peaks[name] = runners[name].finish()
        disturbed = sum(not block.disturbed for block in blocks) < self._effort.min_blocks
        return Invocation(tuple(blocks), warm_ups, peaks, disturbed=disturbed)

    def _blocks(
        self, runners: dict[str, Runner], order: list[str], workload: Workload, draw: random.Random
    ) -> Iterator[Block]:
        """Measure blocks until the budget is spent. Disturbed blocks do not count towards the least number of blocks;
        to reach it, twice the budget may be spent.
        """
        effort = self._effort
        groups = self._groups(order)
        budget_s = effort.block_budget_s * (SIDE_BY_SIDE_BUDGET if any(group[1:] for group in groups) else 1)
        started = time.monotonic()
        blocks = undisturbed = 0
        while blocks < effort.max_blocks:
            slots: dict[str, list[Slot]] = {}
            for name in _turns(groups, blocks, effort.min_blocks, draw):
                if name in runners:
                    with self._failing(runners, name, workload, "being timed"), turn(runners[name]):
                        slots.setdefault(name, []).append(self._slot(runners[name]))
            if not any(name in runners for name in order):
                return
            complete = {name: merged(turns) for name, turns in slots.items() if name in runners}
            block = Block(complete, any(self._disturbed(slot) for slot in complete.values()))
            yield block
            blocks += 1
            undisturbed += not block.disturbed
            budgets = 1 if undisturbed >= effort.min_blocks else 2
            if blocks >= effort.min_blocks and time.monotonic() - started >= budgets * budget_s:
                return

    def _groups(self, order: Sequence[str]) -> list[list[str]]:
        """Return the variants in groups: those that are compared side by side together, every other one alone."""
        groups: dict[str, list[str]] = {}
        baseline_arms = {variant.name: variant.baseline_arm_of or variant.name for variant in self._plan.variants}
        for name in order:
            groups.setdefault(baseline_arms[name], []).append(name)
        return list(groups.values())

    def _slot(self, runner: Runner) -> Slot:
        slot = runner.run(self._effort)
        self._ledger.move("between passes", "counted passes", sum(slot.instances_ns[0]) / 1e9)
        return slot

    def _disturbed(self, slot: Slot) -> bool:
        return slot.lost_share is not None and slot.lost_share > self._effort.max_lost_share

    @contextmanager
    def _failing(self, runners: dict[str, Runner], name: str, workload: Workload, stage: str) -> Iterator[None]:
        """Turn a worker's error, or that of a disk that takes no temporary file, into the failure of one variant in one
        workload, and close its runner, if any.
        """
        try:
            yield
        except (WorkerError, OSError) as error:
            if name in runners:
                runners.pop(name).close()
            what, last_lines = (error.what, error.last_lines) if isinstance(error, WorkerError) else (str(error), "")
            self._failures[workload.name][name] = Failure(f"while {stage}: {what}", last_lines)


def _turns(groups: list[list[str]], block: int, min_blocks: int, draw: random.Random) -> list[str]:
    """Return the variants whose turns make up a block, in order.

    A variant and its baseline arm run there and back (ABBA), so that drift cancels. Every second block is the reverse
    of the one before, and each pair of blocks has an order of its own: no variant always follows the same other one.
    When there are baseline arms, which need the time, variants without one skip two of three blocks after the least
    number of blocks.
    """
    if not block % 2:
        draw.shuffle(groups)
        for group in groups:
            draw.shuffle(group)
    paired = any(group[1:] for group in groups)
    sparse = paired and block >= min_blocks and block % 3 > 0
    present = [group for group in groups if group[1:] or not sparse]
    turns = [name for group in present for name in (group + group[::-1] if group[1:] else group)]
    return turns[::-1] if block % 2 else turns
