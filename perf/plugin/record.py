"""What is stored of a case in pytest-benchmark's `extra_info`: plain JSON values, units in the names."""

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from perf.judge.speedup import estimate_speedup, observe
from perf.judge.spread import Spread
from perf.judge.statistics import median, midmean, quantile
from perf.machine import Machine, Placement
from perf.measure.limit import gflop_per_s
from perf.measure.plan import Variant
from perf.measure.results import Slot, WorkloadResult
from perf.measure.stacks import Twin, stack_of
from perf.plugin.outcome import Outcome
from perf.runs.document import Case, Sample, SideBySide
from perf.stack import Stack

NS_PER_S = 1e9
DIGITS = 6  # of a log speedup: a millionth of the speedup
# A slot within this of the variant's fastest was not disturbed, whatever the kernel says.
NEAR = 1.1


def passes_of(outcome: Outcome) -> list[int]:
    """All counted passes of a case in ns, over invocations, blocks and instances."""
    slots = outcome.whole.blocks_of(outcome.case.variant)
    return [ns for invocation in slots for slot in invocation for instance in slot.instances_ns for ns in instance]


def case_of(outcome: Outcome, placements: tuple[Placement, ...]) -> Case:
    """What is judged of a case that was measured."""
    plan, result = outcome.plan, outcome.whole
    slots = [slot for invocation in result.blocks_of(outcome.case.variant) for slot in invocation]
    stacks = {variant.name: stack_of(plan, variant, placements) for variant in plan.variants}
    over = outcome.variant.over
    return Case(
        family=outcome.case.family.name,
        subject=outcome.case.subject,
        workload=outcome.case.workload,
        variant=outcome.case.variant,
        reference=plan.reference,
        stack=stacks[outcome.case.variant],
        latency_s=median([slot.latency_ns for slot in slots]) / NS_PER_S,
        invocations_disturbed=len(result.invocations) - len(result.undisturbed.invocations),
        published_speedup=outcome.case.family.published(outcome.case),
        samples={name: _sample(result, name, outcome.case.variant, stacks[name]) for name in over},
        beside=_beside(outcome, stacks[outcome.case.variant]),
    )


def record_of(outcome: Outcome, judged: Case, machine: Machine, instances: int, prior: Spread) -> dict[str, Any]:
    """The `extra_info` of a case that was measured; `prior` is what the run says about the variance of speedups."""
    case, plan, result = outcome.case, outcome.plan, outcome.whole
    workload = next(w for w in plan.workloads if w.name == case.workload)
    slots = [slot for invocation in result.blocks_of(case.variant) for slot in invocation]
    passes = [ns / NS_PER_S for ns in passes_of(outcome)]
    warm_ups = [i.warm_ups[case.variant] for i in result.invocations if case.variant in i.warm_ups]
    fastest_ns = min(slot.fastest_ns for slot in slots)
    return {
        **msgspec.to_builtins(judged),
        **_build_record(outcome.variant),
        "machine_class": machine.machine_class,
        "instances": instances,
        "pinning": judged.stack.placement,
        "program": judged.stack.program,
        "items_per_pass": workload.items,
        "throughput_items_per_s": sum(throughputs(slots, workload.items)),
        "latency_p50_s": quantile(passes, 0.50),
        "latency_p90_s": quantile(passes, 0.90),
        "latency_p99_s": quantile(passes, 0.99),
        "invocations": len(result.blocks_of(case.variant)),
        "blocks": len(slots),
        "blocks_disturbed": sum(block.disturbed for i in result.invocations for block in i.blocks),
        "slots_near_fastest": sum(slot.latency_ns <= NEAR * fastest_ns for slot in slots) / len(slots),
        "lost_share": max((slot.lost_share for slot in slots if slot.lost_share is not None), default=None),
        "passes": len(passes),
        "warm_up_passes": [warm_up.passes for warm_up in warm_ups],
        "warm_up_steady": [warm_up.steady for warm_up in warm_ups],
        "peak_memory_bytes": max(i.peak_memory_bytes.get(case.variant, 0) for i in result.invocations),
        **_speedup_record(outcome, prior),
        **_arithmetic(case.family.describe(case, outcome.check.facts), judged.latency_s, instances),
        **({"injected_share": outcome.variant.extra_work} if outcome.variant.extra_work else {}),
        **outcome.check.facts,
    }


def _sample(result: WorkloadResult, over: str, variant: str, stack: Stack) -> Sample:
    floors = [(round(a, DIGITS + 3), round(b, DIGITS + 3)) for a, b in result.undisturbed.floors(over, variant)]
    return Sample(floors, _log_speedups(result, over, variant), stack)


def _beside(outcome: Outcome, stack: Stack) -> SideBySide | None:
    """What was measured side by side with the baseline's stack; None where the stacks do not differ. Where nothing can
    run beside the case's own `stack`, the problem.
    """
    twin = outcome.twin
    if isinstance(twin, Twin):
        values = _log_speedups(outcome.whole, twin.variant.name, outcome.case.variant)
        problem = outcome.twin_failure.what if outcome.twin_failure else None
        return SideBySide(values, twin.stack, problem)
    return SideBySide([], stack, problem=twin) if twin else None


def _log_speedups(result: WorkloadResult, over: str, variant: str) -> list[float]:
    """One log speedup for each undisturbed invocation: the mean of the middle half of its blocks."""
    ratios = result.undisturbed.log_ratios(over, variant)
    return [round(midmean(blocks), DIGITS) for blocks in ratios if blocks]


def throughputs(slots: list[Slot], items: int) -> list[float]:
    """Each instance's items per second over its counted passes; the run's throughput is their sum."""
    instances = range(len(slots[0].instances_ns))
    passes = [[ns for slot in slots for ns in slot.instances_ns[instance]] for instance in instances]
    return [items * len(durations) * NS_PER_S / sum(durations) for durations in passes]


def _build_record(variant: Variant) -> dict[str, Any]:
    build = variant.build
    return {
        "build": build.role,
        "wheel": build.requirement,
        "wheel_locked": build.locked,
        "wheel_sha256": build.wheel_sha256,
        "blas_kernels": build.blas_kernels,
    }


def _arithmetic(described: Mapping[str, Any], latency_s: float, instances: int) -> dict[str, Any]:
    """What the family says of the case, and the arithmetic rate of all instances together."""
    flops = described["flops_per_pass"]
    rate = None if flops is None else gflop_per_s(flops, latency_s, instances)
    return {**described, "gflop_per_s": rate}


def _speedup_record(outcome: Outcome, prior: Spread) -> dict[str, Any]:
    """The case's speedup over its plan's reference with the interval that the judge uses, and what it rests on: nothing
    for the reference itself, or when the reference failed; disturbed blocks only where there are no others.
    """
    names = ("speedup", "speedup_low", "speedup_high", "speedup_typical", "speedup_invocations", "speedup_disturbed")
    pair = outcome.plan.reference, outcome.case.variant
    disturbed = not outcome.whole.undisturbed.floors(*pair)
    counted = outcome.whole if disturbed else outcome.whole.undisturbed
    floors = counted.floors(*pair)
    if outcome.case.variant == outcome.plan.reference or not floors:
        return dict.fromkeys(names)
    found = estimate_speedup(observe(floors), prior)
    typical = math.exp(median([midmean(blocks) for blocks in counted.log_ratios(*pair) if blocks]))
    values = (found.speedup, found.low, found.high, typical, found.invocations, disturbed)
    return dict(zip(names, values, strict=True))
