"""What is stored of a case in pytest-benchmark's `extra_info`: plain JSON values, units in the names."""

from collections.abc import Mapping
from typing import Any

from perf.judge.speedup import Estimate, estimate_speedup
from perf.judge.statistics import median, quantile
from perf.machine import Machine, Placement
from perf.measure.limit import gflop_per_s
from perf.measure.plan import Variant
from perf.measure.results import Slot, WorkloadResult
from perf.plugin.outcome import OF_BASELINE, Outcome

NS_PER_S = 1e9
DIGITS = 6  # of a log speedup: a millionth of the speedup


def passes_of(outcome: Outcome) -> list[int]:
    """All counted passes of a case in ns, over invocations, blocks and instances."""
    slots = outcome.whole.blocks_of(outcome.case.variant)
    return [ns for invocation in slots for slot in invocation for instance in slot.instances_ns for ns in instance]


def record_of(outcome: Outcome, machine: Machine, placements: tuple[Placement, ...]) -> dict[str, Any]:
    """The `extra_info` of a case that was measured."""
    case, plan, result = outcome.case, outcome.plan, outcome.whole
    variant = next(v for v in plan.variants if v.name == case.variant)
    workload = next(w for w in plan.workloads if w.name == case.workload)
    slots = [slot for invocation in result.blocks_of(case.variant) for slot in invocation]
    passes = [ns / NS_PER_S for ns in passes_of(outcome)]
    latency_s = median([slot.latency_ns for slot in slots]) / NS_PER_S
    warm_ups = [i.warm_ups[case.variant] for i in result.invocations if case.variant in i.warm_ups]
    return {
        "family": case.family.name,
        "subject": case.subject,
        "workload": case.workload,
        "variant": case.variant,
        **_build_record(variant),
        "machine_class": machine.machine_class,
        "instances": len(placements),
        "pinning": [placement.describe() for placement in placements],
        "program": variant.program.label,
        "items_per_pass": workload.items,
        "throughput_items_per_s": sum(throughputs(slots, workload.items)),
        "latency_s": latency_s,
        "latency_p50_s": quantile(passes, 0.50),
        "latency_p90_s": quantile(passes, 0.90),
        "latency_p99_s": quantile(passes, 0.99),
        "invocations": len(result.blocks_of(case.variant)),
        "blocks": len(slots),
        "blocks_not_quiet": sum(not slot.quiet for slot in slots),
        "blocks_disturbed": sum(block.disturbed for i in result.invocations for block in i.blocks),
        "invocations_disturbed": len(result.invocations) - len(result.undisturbed.invocations),
        "attempts": sum(slot.attempts for slot in slots),
        "lost_share": max((slot.lost_share for slot in slots if slot.lost_share is not None), default=None),
        "passes": len(passes),
        "warm_up_passes": [warm_up.passes for warm_up in warm_ups],
        "warm_up_steady": [warm_up.steady for warm_up in warm_ups],
        "peak_memory_bytes": max(i.peak_memory_bytes.get(case.variant, 0) for i in result.invocations),
        "reference": plan.reference,
        **_speedup_record(speedup_of(outcome)),
        "samples": {over: _sample(outcome, over) for over in variant.over},
        "beside": _log_speedups(outcome.again, case.variant + OF_BASELINE, case.variant),
        "beside_wheel": outcome.beside_wheel,
        "published_speedup": case.family.published(case),
        **_arithmetic(case.family.describe(case, outcome.check.facts), latency_s, len(placements)),
        **({"injected_share": variant.extra_work} if variant.extra_work else {}),
        **outcome.check.facts,
    }


def speedup_of(outcome: Outcome) -> Estimate | None:
    """The case's speedup over its plan's reference, from undisturbed blocks where there are any; None for the reference
    itself, or when the reference failed.
    """
    pair = outcome.plan.reference, outcome.case.variant
    undisturbed = outcome.whole.undisturbed.log_ratios(*pair)
    ratios = undisturbed if any(undisturbed) else outcome.whole.log_ratios(*pair)
    if outcome.case.variant == outcome.plan.reference or not any(ratios):
        return None
    return estimate_speedup(ratios)


def _sample(outcome: Outcome, over: str) -> dict[str, list[float]]:
    """What is stored of a ratio (perf.runs.document.Sample)."""
    phases = {"first": outcome.result, "again": outcome.again}
    return {phase: _log_speedups(result, over, outcome.case.variant) for phase, result in phases.items()}


def _log_speedups(result: WorkloadResult, over: str, variant: str) -> list[float]:
    """One log speedup for each undisturbed invocation: the median of its blocks."""
    ratios = result.undisturbed.log_ratios(over, variant)
    return [round(median(blocks), DIGITS) for blocks in ratios if blocks]


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
        "installed_record_sha256": build.record_sha256,
        "blas_kernels": build.blas_kernels,
    }


def _arithmetic(described: Mapping[str, Any], latency_s: float, instances: int) -> dict[str, Any]:
    """What the family says of the case, and the arithmetic rate of all instances together."""
    flops = described["flops_per_pass"]
    rate = None if flops is None else gflop_per_s(flops, latency_s, instances)
    return {**described, "gflop_per_s": rate}


def _speedup_record(estimate: Estimate | None) -> dict[str, Any]:
    if estimate is None:
        return {"speedup": None, "speedup_low": None, "speedup_high": None, "speedup_level": None}
    return {
        "speedup": estimate.speedup,
        "speedup_low": estimate.low,
        "speedup_high": estimate.high,
        "speedup_level": estimate.level,
    }
