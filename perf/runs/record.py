"""A case's record, and the only place that builds one: stored, shown in tables, described by `mxperf fields`.

A new figure is a field of `CaseRecord` with its meaning and, where it is to be shown, its column, and its value in
`record_of`; nothing else changes.
"""

import math
import shlex
from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from perf.columns import Column
from perf.facts import CaseFacts, TrainingFacts
from perf.judge.speedup import estimate_speedup, observe
from perf.judge.statistics import median, midmean, quantile
from perf.judge.variance_prior import VariancePrior
from perf.machine import Placement
from perf.measure.outcome import Outcome
from perf.measure.peak import gflop_per_s
from perf.measure.results import Slot, WorkloadResult
from perf.measure.stacks import BaselineArm, stack_of
from perf.runs.schema import FEW, RatioSample, SideBySide, StoredCase
from perf.runs.verdict import VerdictRecord
from perf.stack import Stack

NS_PER_S = 1e9
DIGITS = 6  # of a log speedup: a millionth of the speedup
# A slot within this of the variant's fastest was not disturbed, whatever the kernel says.
NEAR = 1.1


class RatioEstimate(msgspec.Struct, frozen=True):
    """A speedup, or a scaling efficiency, with its confidence interval."""

    value: Annotated[float, Meta(description="from the fastest slots of both variants")]
    low: Annotated[float | None, Meta(description="lower end of the 95 % interval; null when nothing is known of it")]
    high: Annotated[float | None, Meta(description="upper end of the 95 % interval")]
    typical: Annotated[float, Meta(description="in the middle of all blocks")]
    invocations: Annotated[int, Meta(description="undisturbed invocations that it rests on")]
    disturbed: Annotated[bool, Meta(description="whether it rests on disturbed blocks, since there are no others")]

    @property
    def uncertain(self) -> bool:
        """Whether it rests on disturbed blocks or on fewer than `FEW` undisturbed invocations."""
        return self.disturbed or self.invocations < FEW

    @property
    def shown_typical(self) -> float | None:
        """The typical value where it lies outside of the interval, else None."""
        if self.low is None or self.high is None or self.low <= self.typical <= self.high:
            return None
        return self.typical

    def text(self, *, percent: bool) -> str:
        """It, in a cell of a table, such as "7.30 [7.11, 7.50] ~7.05 ?" or "93.3 % [89.6, 97.2]"."""
        scale, digits, unit = (100, 1, " %") if percent else (1, 2, "")

        def number(value: float) -> str:
            return f"{value * scale:.{digits}f}"

        text = number(self.value) + unit
        if self.low is not None and self.high is not None:
            text += f" [{number(self.low)}, {number(self.high)}]"
        if self.shown_typical is not None:
            text += f" ~{number(self.shown_typical)}"
        return text + " ?" * self.uncertain


class CaseRecord(StoredCase, frozen=True, kw_only=True):
    """The `extra_info` of a case that was measured."""

    facts: Annotated[CaseFacts, Meta(description="what names the case, and what its check observed")]
    machine_class: Annotated[str, Meta(description="class of the machine")]
    build: Annotated[str, Meta(description="role of its build")]
    wheel_locked: Annotated[bool, Meta(description="whether uv.lock names the wheel")]
    wheel_sha256: Annotated[str | None, Meta(description="sha256 of the wheel file, where there is one")]
    instances: Annotated[int, Meta(description="processes at a time: instances or ranks")]
    launch_prefixes: Annotated[tuple[str, ...], Meta(description="what stands before each process's command")]
    items_per_pass: Annotated[int, Meta(description="images or samples of a pass of one instance")]
    speedup: Annotated[
        RatioEstimate | None,
        Meta(description="reference latency over latency; null for the reference, or when it failed"),
        Column(heading="{variant}", place=1, others=("cnn", "rnn")),
    ]
    efficiency: Annotated[
        RatioEstimate | None,
        Meta(description="scaling efficiency: a step on one rank over a step on all ranks; null for one rank"),
        Column(heading="{variant}", place=1, others=("dist",), percent=True),
    ]
    throughput_items_per_s: Annotated[
        float,
        Meta(description="items a second, summed over instances"),
        Column(heading="{variant} {items}/s", place=4, reference=("rnn", "dist"), others=("rnn", "dist")),
    ]
    gflop_per_s: Annotated[
        float | None,
        Meta(description="10^9 operations a second of all instances"),
        Column(heading="{variant} GFLOP/s", place=5, reference=("cnn", "rnn"), others=("cnn", "rnn")),
    ]
    fastest_s: Annotated[float, Meta(description="latency of its fastest slot, in seconds, which its ratio rests on")]
    latency_p50_s: Annotated[float, Meta(description="median of all counted passes, in seconds")]
    latency_p90_s: Annotated[float, Meta(description="90th percentile of all counted passes, in seconds")]
    latency_p99_s: Annotated[float, Meta(description="99th percentile of all counted passes, in seconds")]
    passes: Annotated[int, Meta(description="counted passes")]
    invocations: Annotated[int, Meta(description="sets of fresh processes")]
    blocks: Annotated[int, Meta(description="slots of this variant")]
    blocks_disturbed: Annotated[int, Meta(description="disturbed blocks of its workload")]
    slots_near_fastest: Annotated[float, Meta(description="share of slots within 1.1 times the fastest")]
    lost_share: Annotated[
        float | None, Meta(description="largest share of a slot that other programs or the hypervisor took")
    ]
    warm_up_passes: Annotated[list[int], Meta(description="untimed passes before the first slot, by invocation")]
    warm_up_steady: Annotated[list[bool], Meta(description="whether the pace was steady then")]
    peak_memory_bytes: Annotated[int, Meta(description="largest peak of an invocation, summed over processes")]
    verdict: Annotated[VerdictRecord | None, Meta(description="what was said of it; null when it was not judged")] = (
        None
    )

    @property
    def ratio(self) -> RatioEstimate | None:
        """Its speedup or efficiency."""
        return self.speedup or self.efficiency


def record_of(
    outcome: Outcome, case: StoredCase, *, machine_class: str, placements: tuple[Placement, ...], prior: VariancePrior
) -> CaseRecord:
    """The record of a case that was measured, of which `case` is what is judged. `prior` is what the run says about the
    variance of speedups.
    """
    plan, result, build = outcome.plan, outcome.whole, outcome.variant.build
    workload = next(w for w in plan.workloads if w.name == case.workload)
    slots = [slot for invocation in result.blocks_of(case.variant) for slot in invocation]
    passes = [ns / NS_PER_S for ns in passes_of(outcome)]
    warm_ups = [i.warm_ups[case.variant] for i in result.invocations if case.variant in i.warm_ups]
    fastest_ns = min(slot.fastest_ns for slot in slots)
    facts: CaseFacts = outcome.case.family.describe(outcome.case, outcome.check.facts)
    instances = len(case.stack.placement)
    prefixes = plan.start.prefixes_of(outcome.variant) if plan.start else [placement.prefix for placement in placements]
    ratio, scaling = _ratio(outcome, prior), isinstance(facts, TrainingFacts)
    return CaseRecord(
        **{name: getattr(case, name) for name in StoredCase.__struct_fields__},
        facts=facts,
        machine_class=machine_class,
        build=build.role,
        wheel_locked=build.locked,
        wheel_sha256=build.wheel_sha256,
        instances=instances,
        launch_prefixes=tuple(shlex.join(prefix) for prefix in prefixes),
        items_per_pass=workload.items,
        speedup=None if scaling else ratio,
        efficiency=ratio if scaling else None,
        throughput_items_per_s=sum(throughputs(slots, workload.items)),
        gflop_per_s=facts.flops_per_pass and gflop_per_s(facts.flops_per_pass, case.latency_s, instances),
        fastest_s=fastest_ns / NS_PER_S,
        latency_p50_s=quantile(passes, 0.50),
        latency_p90_s=quantile(passes, 0.90),
        latency_p99_s=quantile(passes, 0.99),
        passes=len(passes),
        invocations=len(result.blocks_of(case.variant)),
        blocks=len(slots),
        blocks_disturbed=sum(block.disturbed for i in result.invocations for block in i.blocks),
        slots_near_fastest=sum(slot.latency_ns <= NEAR * fastest_ns for slot in slots) / len(slots),
        lost_share=max((slot.lost_share for slot in slots if slot.lost_share is not None), default=None),
        warm_up_passes=[warm_up.passes for warm_up in warm_ups],
        warm_up_steady=[warm_up.steady for warm_up in warm_ups],
        peak_memory_bytes=max(i.peak_memory_bytes.get(case.variant, 0) for i in result.invocations),
    )


def passes_of(outcome: Outcome) -> list[int]:
    """All counted passes of a case in ns, over invocations, blocks and instances."""
    slots = outcome.whole.blocks_of(outcome.case.variant)
    return [ns for invocation in slots for slot in invocation for instance in slot.instances_ns for ns in instance]


def case_of(outcome: Outcome, placements: tuple[Placement, ...]) -> StoredCase:
    """What is judged of a case that was measured."""
    plan, result = outcome.plan, outcome.whole
    slots = [slot for invocation in result.blocks_of(outcome.case.variant) for slot in invocation]
    stacks = {variant.name: stack_of(plan, variant, placements) for variant in plan.variants}
    over = outcome.variant.over
    return StoredCase(
        family=outcome.case.family.name,
        subject=outcome.case.subject,
        workload=outcome.case.workload,
        variant=outcome.case.variant,
        reference=plan.reference,
        stack=stacks[outcome.case.variant],
        latency_s=median([slot.latency_ns for slot in slots]) / NS_PER_S,
        invocations_disturbed=len(result.invocations) - len(result.undisturbed.invocations),
        published=outcome.case.family.published(outcome.case),
        samples={name: _sample(result, name, outcome.case.variant, stacks[name]) for name in over},
        side_by_side=_side_by_side(outcome, stacks[outcome.case.variant]),
    )


def _sample(result: WorkloadResult, over: str, variant: str, stack: Stack) -> RatioSample:
    floors = [(round(a, DIGITS + 3), round(b, DIGITS + 3)) for a, b in result.undisturbed.floors(over, variant)]
    return RatioSample(floors, _log_speedups(result, over, variant), stack)


def _side_by_side(outcome: Outcome, stack: Stack) -> SideBySide | None:
    """What was measured side by side with the baseline's stack; None where the stacks do not differ. Where nothing can
    run beside the case's own `stack`, the problem.
    """
    baseline_arm = outcome.baseline_arm
    if isinstance(baseline_arm, BaselineArm):
        values = _log_speedups(outcome.whole, baseline_arm.variant.name, outcome.case.variant)
        problem = outcome.baseline_arm_failure.what if outcome.baseline_arm_failure else None
        return SideBySide(values, baseline_arm.stack, problem)
    return SideBySide([], stack, problem=baseline_arm) if baseline_arm else None


def _log_speedups(result: WorkloadResult, over: str, variant: str) -> list[float]:
    """One log speedup for each undisturbed invocation: the mean of the middle half of its blocks."""
    ratios = result.undisturbed.log_ratios(over, variant)
    return [round(midmean(blocks), DIGITS) for blocks in ratios if blocks]


def throughputs(slots: Sequence[Slot], items: int) -> list[float]:
    """Each instance's items per second over its counted passes; the run's throughput is their sum."""
    instances = range(len(slots[0].instances_ns))
    passes = [[ns for slot in slots for ns in slot.instances_ns[instance]] for instance in instances]
    return [items * len(durations) * NS_PER_S / sum(durations) for durations in passes]


def _ratio(outcome: Outcome, prior: VariancePrior) -> RatioEstimate | None:
    """The case's ratio over its plan's reference with the interval that the judge uses: None for the reference itself,
    or when the reference failed; from disturbed blocks only where there are no others.
    """
    pair = outcome.plan.reference, outcome.case.variant
    disturbed = not outcome.whole.undisturbed.floors(*pair)
    counted = outcome.whole if disturbed else outcome.whole.undisturbed
    floors = counted.floors(*pair)
    if outcome.case.variant == outcome.plan.reference or not floors:
        return None
    found = estimate_speedup(observe(floors), prior)
    typical = math.exp(median([midmean(blocks) for blocks in counted.log_ratios(*pair) if blocks]))
    return RatioEstimate(found.speedup, found.low, found.high, typical, found.invocations, disturbed)
