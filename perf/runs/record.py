"""The record of a case, stored, shown in tables and described in docs/reference/fields.md; and what builds it.

To add a figure, add a field to `CaseRecord` with its description and, to show it in the summary, its column; then set
its value in `record_of`. Nothing else changes.
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
from perf.limits.result import MachineLimits
from perf.limits.roofline import Bound, bound_of
from perf.machine import Placement
from perf.measure.outcome import Outcome
from perf.measure.peak import gflop_per_s
from perf.measure.results import Slot, StopReason, WorkloadResult
from perf.measure.stacks import BaselineArm, stack_of
from perf.runs.explanation import Explanation
from perf.runs.schema import FEW, RatioSample, SideBySide, StoredCase
from perf.runs.session.slots import InvocationSlots, slots_of
from perf.runs.verdict import VerdictRecord
from perf.stack import Stack

NS_PER_S = 1e9
# Digits of stored log speedups: accurate to a millionth, far below any variance.
DIGITS = 6
# A slot that took at most this multiple of the variant's fastest slot was not slowed down by neighbours.
NEAR = 1.1


class RatioEstimate(msgspec.Struct, frozen=True):
    """A speedup, or a scaling efficiency, with its confidence interval."""

    value: Annotated[float, Meta(description="ratio of the fastest slots of both variants")]
    low: Annotated[float | None, Meta(description="lower end of the 95 % interval; null when the error is unknown")]
    high: Annotated[float | None, Meta(description="upper end of the 95 % interval; null when the error is unknown")]
    typical: Annotated[
        float,
        Meta(description="typical ratio over all blocks: the median over invocations of each one's interquartile mean"),
    ]
    invocations: Annotated[int, Meta(description="invocations with undisturbed blocks that it was estimated from")]
    disturbed: Annotated[
        bool, Meta(description="whether it was estimated from disturbed blocks, for lack of undisturbed ones")
    ]

    @property
    def uncertain(self) -> bool:
        """Whether it comes from disturbed blocks, or from fewer than `FEW` undisturbed invocations."""
        return self.disturbed or self.invocations < FEW

    @property
    def shown_typical(self) -> float | None:
        """The typical value if it lies outside the interval, else None."""
        if self.low is None or self.high is None or self.low <= self.typical <= self.high:
            return None
        return self.typical

    def text(self, *, percent: bool) -> str:
        """Return it as the text of a table's cell, such as "7.30 [7.11, 7.50] ~7.05 ?" or "93.3 % [89.6, 97.2]"."""
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
    """The record of a measured case, stored as its `extra_info`."""

    facts: Annotated[CaseFacts, Meta(description="labels of the case, and what its check observed")]
    machine_class: Annotated[str, Meta(description="machine class")]
    wheel_sha256: Annotated[str | None, Meta(description="sha256 of the wheel file; null if there is none")]
    instances: Annotated[int, Meta(description="processes that ran at the same time: instances or ranks")]
    launch_prefixes: Annotated[
        tuple[str, ...], Meta(description="command prefix of each process, such as numactl and its arguments")
    ]
    items_per_pass: Annotated[int, Meta(description="images or samples that one instance processes in a pass")]
    speedup: Annotated[
        RatioEstimate | None,
        Meta(description="reference latency divided by latency; null for the reference, or if that failed"),
        Column(heading="{variant}", place=1, variants=("cnn", "rnn")),
    ]
    efficiency: Annotated[
        RatioEstimate | None,
        Meta(
            description="scaling efficiency: step time on one rank divided by step time on all ranks; null for one rank"
        ),
        Column(heading="{variant}", place=1, variants=("dist",), percent=True),
    ]
    throughput_items_per_s: Annotated[
        float,
        Meta(description="items per second, summed over instances"),
        Column(heading="{variant} {items}/s", place=4, reference=("rnn", "dist"), variants=("rnn", "dist")),
    ]
    gflop_per_s: Annotated[
        float | None,
        Meta(description="10^9 floating-point operations per second, summed over instances"),
        Column(heading="{variant} GFLOP/s", place=5, reference=("cnn", "rnn"), variants=("cnn", "rnn")),
    ]
    fastest_s: Annotated[
        float, Meta(description="latency of its fastest slot, in seconds; its ratio is estimated from this")
    ]
    latency_p50_s: Annotated[float, Meta(description="median duration of the counted passes, in seconds")]
    latency_p90_s: Annotated[float, Meta(description="90th percentile of the counted passes, in seconds")]
    latency_p99_s: Annotated[float, Meta(description="99th percentile of the counted passes, in seconds")]
    passes: Annotated[int, Meta(description="number of counted passes")]
    invocations: Annotated[int, Meta(description="invocations: sets of fresh processes that measured it")]
    blocks: Annotated[int, Meta(description="blocks in which it was measured, one slot in each")]
    blocks_disturbed: Annotated[int, Meta(description="blocks of its workload that were disturbed and do not count")]
    slots_near_fastest: Annotated[float, Meta(description="fraction of slots that took at most 1.1 times the fastest")]
    lost_share: Annotated[
        float | None,
        Meta(description="largest fraction of a slot lost to other programs or the hypervisor; null if unknown"),
    ]
    warm_up_passes: Annotated[list[int], Meta(description="warm-up passes before the first slot, by invocation")]
    warm_up_steady: Annotated[list[bool], Meta(description="whether the warm-up reached a steady pace, by invocation")]
    peak_memory_bytes: Annotated[
        int, Meta(description="peak memory of an invocation, summed over its processes; the largest of all invocations")
    ]
    verdict: Annotated[VerdictRecord | None, Meta(description="verdict on the case; null if it was not judged")] = None
    confirmations: Annotated[
        int | None, Meta(description="confirmations after screening; null in files that do not say it")
    ] = None
    stopped: Annotated[
        StopReason | None, Meta(description="why measuring it stopped; null in files that do not say it")
    ] = None
    bound: Annotated[
        Bound | None, Meta(description="the shortest latency that the machine allows; null if that is unknown")
    ] = None
    explanation: Annotated[Explanation | None, Meta(description="its time by operator; null unless it changed")] = None
    slots: Annotated[
        tuple[InvocationSlots, ...],
        Meta(description="every slot, by invocation, screening first; empty in files without them, such as baselines"),
    ] = ()

    @property
    def ratio(self) -> RatioEstimate | None:
        """Its speedup or its scaling efficiency; None for the reference."""
        return self.speedup or self.efficiency


def record_of(
    outcome: Outcome,
    case: StoredCase,
    *,
    machine_class: str,
    placements: tuple[Placement, ...],
    prior: VariancePrior,
    limits: MachineLimits | None,
) -> CaseRecord:
    """Return the record of a measured case. `case` is the part that is judged, and `prior` the prior of the variance of
    speedups in its run; `limits` are the machine's, None where they were not measured.
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
        confirmations=outcome.confirmations,
        stopped=outcome.stopped,
        bound=_bound(facts, case, limits, instances, fastest_ns / NS_PER_S, later=build.facts.release.after_150),
        slots=slots_of(outcome),
    )


def _bound(
    facts: CaseFacts, case: StoredCase, limits: MachineLimits | None, instances: int, fastest_s: float, *, later: bool
) -> Bound | None:
    """Return the case's bound; None where limits, operations or bytes are unknown. `later`: than MXNet 1.5."""
    if limits is None or facts.flops_per_pass is None or facts.bytes_per_pass is None:
        return None
    return bound_of(
        limits,
        case.variant,
        flops=facts.flops_per_pass,
        moved_bytes=facts.bytes_per_pass,
        instances=instances,
        latency_s=case.latency_s,
        fastest_s=fastest_s,
        mxnet_150=not later,
    )


def passes_of(outcome: Outcome) -> list[int]:
    """Return the durations of all counted passes of a case, in ns, over invocations, blocks and instances."""
    slots = outcome.whole.blocks_of(outcome.case.variant)
    return [ns for invocation in slots for slot in invocation for instance in slot.instances_ns for ns in instance]


def case_of(outcome: Outcome, placements: tuple[Placement, ...]) -> StoredCase:
    """Return the part of a measured case's record that is judged."""
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
        build=outcome.variant.build.role,
        wheel_locked=outcome.variant.build.locked,
    )


def _sample(result: WorkloadResult, over: str, variant: str, stack: Stack) -> RatioSample:
    floors = [(round(a, DIGITS + 3), round(b, DIGITS + 3)) for a, b in result.undisturbed.floors(over, variant)]
    return RatioSample(floors, log_speedups(result, over, variant), stack)


def _side_by_side(outcome: Outcome, stack: Stack) -> SideBySide | None:
    """Return what was measured side by side with the baseline's stack, or the problem if it could not be; None when the
    stacks do not differ. `stack` is the case's own.
    """
    baseline_arm = outcome.baseline_arm
    if isinstance(baseline_arm, BaselineArm):
        values = log_speedups(outcome.whole, baseline_arm.variant.name, outcome.case.variant)
        problem = outcome.baseline_arm_failure.what if outcome.baseline_arm_failure else None
        return SideBySide(values, baseline_arm.stack, problem)
    return SideBySide([], stack, problem=baseline_arm) if baseline_arm else None


def log_speedups(result: WorkloadResult, over: str, variant: str) -> list[float]:
    """Return the log speedup of each undisturbed invocation: the interquartile mean of its blocks."""
    ratios = result.undisturbed.log_ratios(over, variant)
    return [round(midmean(blocks), DIGITS) for blocks in ratios if blocks]


def throughputs(slots: Sequence[Slot], items: int) -> list[float]:
    """Return the items per second of each instance over its counted passes; the run's throughput is their sum."""
    instances = range(len(slots[0].instances_ns))
    passes = [[ns for slot in slots for ns in slot.instances_ns[instance]] for instance in instances]
    return [items * len(durations) * NS_PER_S / sum(durations) for durations in passes]


def _ratio(outcome: Outcome, prior: VariancePrior) -> RatioEstimate | None:
    """Return the case's ratio over the reference, with its interval; None for the reference itself, or if the reference
    failed. Disturbed blocks are used only if there are no undisturbed ones.
    """
    pair = outcome.plan.reference, outcome.case.variant
    disturbed = not outcome.whole.undisturbed.floors(*pair)
    counted = outcome.whole if disturbed else outcome.whole.undisturbed
    floors = counted.floors(*pair)
    if outcome.case.variant == outcome.plan.reference or not floors:
        return None
    estimate = estimate_speedup(observe(floors), prior)
    typical = math.exp(median([midmean(blocks) for blocks in counted.log_ratios(*pair) if blocks]))
    return RatioEstimate(estimate.speedup, estimate.low, estimate.high, typical, estimate.invocations, disturbed)
