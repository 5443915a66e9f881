"""How long measuring will take: from the tier's budgets, the latencies of a stored run, and what was measured so far.

The constants are from sessions of the quick tier on two cores, class intel-xeon-6.207-2c-1n-amx, 2026-11-26 and 27.
tests/unit/measure/test_forecast.py compares forecasts with recorded sessions.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from perf.limits.roofline import arithmetic_of
from perf.measure.family import SLOT_WEIGHT
from perf.measure.plan import Plan, Variant, Workload, WorkloadKey
from perf.measure.tiers import Effort

# Blocks that variants share with their baseline arms may take this many times as long.
SIDE_BY_SIDE_BUDGET = 1.5
# Seconds for starting and ending the workers of an invocation, which the first workload of a plan needs; for loading
# another workload into them; for starting and ending the jobs of an invocation.
START_S, LOAD_S, START_JOBS_S = 0.9, 0.2, 3.5
# Seconds for checking the answers of a subject, and for each 10^9 operations of its smallest workload; for the first
# training job of a subject.
CHECK_S, CHECK_S_PER_GFLOP, CHECK_JOBS_S = 1.2, 0.6, 10.0
# What an INT8 variant adds to that on a CPU without AVX-512, where it computes 10^10 operations a second: four networks
# of 13.5 x 10^9 operations took 106 s longer (class amd-epyc-25.1-2c-1n-avx2, 2026-11-27).
SLOW_INT8_S_PER_GFLOP = 7.8
# Seconds for a check of answers that is an item of its own: 75 of them took 145 s.
ITEM_S = 2.0
# Passes of a warm-up whose pace is steady at once.
WARM_UP_PASSES = 4
# Without a stored run: 10^9 operations per second of a thread of the reference, and how much faster other variants are.
GFLOP_PER_S, FASTER = 20.0, 6.0
# The fraction of cases that screening leaves undecided.
UNDECIDED_FRACTION = 0.5
# No invocation takes less, in seconds.
LEAST_S = 1e-3


def invocation_s(
    plan: Plan[Any], workload: Workload, effort: Effort, latencies: Mapping[str, float], threads: int
) -> float:
    """Return how many seconds an invocation of a workload takes.

    latencies: seconds of a pass, by case, from a stored run. Where one is missing, it is estimated from the operations
        of the workload and the `threads` of an instance; of a training job, the tier's budget alone counts.
    """
    seconds = {variant.name: _pass_s(plan, variant, workload, latencies, threads) for variant in plan.variants}
    turns = _turns(plan.variants)
    block_s = sum(turns[name] * max(effort.slot_s, effort.slot_passes * pass_s) for name, pass_s in seconds.items())
    budget_s = effort.block_budget_s * (SIDE_BY_SIDE_BUDGET if max(turns.values()) > 1 else 1)
    blocks = min(effort.max_blocks, max(effort.min_blocks, math.ceil(budget_s / block_s))) if block_s else 0
    warm_up_s = sum(max(pass_s, min(WARM_UP_PASSES * pass_s, effort.warm_up_s)) for pass_s in seconds.values())
    start_s = START_JOBS_S if _distributed(plan) else START_S if workload == plan.workloads[0] else LOAD_S
    return start_s + warm_up_s + (blocks * block_s or budget_s)


def invocations(effort: Effort, each_s: float) -> int:
    """Return how many invocations of `each_s` seconds a workload gets: halfway between the fewest, after which it may
    be precise enough, and those that its budget allows.
    """
    allowed = math.ceil(effort.workload_budget_s / each_s)
    most = min(effort.max_invocations, max(effort.min_invocations, allowed))
    return math.ceil((effort.min_invocations + most) / 2)


class Forecast:
    """How long measuring `plans` takes, without confirmations. `tier` is the effort of plans that have none of their
    own; `latencies` and `threads` are those of `invocation_s`.
    """

    def __init__(self, plans: Sequence[Plan[Any]], tier: Effort, latencies: Mapping[str, float], threads: int) -> None:
        self._efforts: dict[WorkloadKey, Effort] = {}
        self._each_s: dict[WorkloadKey, float] = {}
        for plan in plans:
            effort = plan.effort or tier
            for workload in plan.workloads:
                self._efforts[plan.key_of(workload)] = effort
                self._each_s[plan.key_of(workload)] = invocation_s(plan, workload, effort, latencies, threads)

    @property
    def whole_s(self) -> float:
        """The seconds from the start to the end."""
        return self.left_s({}, self._each_s)

    def left_s(self, elapsed_s: Mapping[WorkloadKey, Sequence[float]], unfinished: Collection[WorkloadKey]) -> float:
        """Return how many seconds the `unfinished` workloads still take: each as long as its invocations so far or,
        where there is none yet, longer or shorter than expected by as much as all invocations so far.

        elapsed_s: the wall time of each invocation so far, by workload.
        """
        spent = sum(map(sum, elapsed_s.values()))
        foreseen = sum(len(each) * self._each_s[key] for key, each in elapsed_s.items())
        pace = spent / foreseen if spent else 1.0
        left_s = 0.0
        for key in unfinished:
            measured = elapsed_s.get(key, ())
            each_s = sum(measured) / len(measured) if measured else pace * self._each_s[key]
            left_s += max(1, invocations(self._efforts[key], max(LEAST_S, each_s)) - len(measured)) * each_s
        return left_s


def check_s(plan: Plan[Any], *, avx512: bool) -> float:
    """Return how many seconds checking the answers of a plan takes on a CPU with or without AVX-512."""
    if _distributed(plan):
        return CHECK_JOBS_S
    smallest = min(workload.weight for workload in plan.workloads) - SLOT_WEIGHT
    slow_int8 = not avx512 and any(arithmetic_of(variant.name) == "int8" for variant in plan.variants)
    return CHECK_S + (CHECK_S_PER_GFLOP + SLOW_INT8_S_PER_GFLOP * slow_int8) * max(0.0, smallest)


def confirming_s(plans: Sequence[Plan[Any]], effort: Effort) -> float:
    """Return how many seconds confirmations take: one of each case that screening leaves undecided, within the budget;
    none without baseline arms.
    """
    cases = sum(bool(v.baseline_arm_of) * len(plan.workloads) for plan in plans for v in plan.variants)
    each_s = effort.confirm_invocations * (START_S + SIDE_BY_SIDE_BUDGET * effort.block_budget_s)
    return min(effort.confirm_budget_s, UNDECIDED_FRACTION * cases * each_s)


def _distributed(plan: Plan[Any]) -> bool:
    return any(variant.program.distributed for variant in plan.variants)


def _pass_s(
    plan: Plan[Any], variant: Variant[Any], workload: Workload, latencies: Mapping[str, float], threads: int
) -> float:
    known = latencies.get(f"{workload.name}-{variant.baseline_arm_of or variant.name}")
    if known is not None or variant.program.distributed:
        return known or 0.0
    reference_s = max(0.0, workload.weight - SLOT_WEIGHT) / (GFLOP_PER_S * threads)
    return reference_s if variant.name == plan.reference else reference_s / FASTER


def _turns(variants: Sequence[Variant[Any]]) -> dict[str, int]:
    """How many turns each variant has in a block: two where it runs side by side with its baseline arm."""
    paired = {variant.baseline_arm_of for variant in variants}
    return {v.name: 2 if v.baseline_arm_of or v.name in paired else 1 for v in variants}
