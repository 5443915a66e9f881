"""Record invocations of real workers, as data for trials of estimators and of the gate.

`uv run python -m benchmarks.gate.record FOLDER [ROUNDS]` measures one invocation of each workload in a round: networks,
an LSTM and training jobs. Each optimised variant runs in four arms: as the candidate, as an equal baseline arm
(`mkl-fp32@baseline`), and with 3 % and 5 % more work in every pass. In every fourth round one core is loaded on and
off. A round takes about two and a half minutes. Each invocation is appended to FOLDER/WORKLOAD.jsonl as soon as it is
measured; the same command continues after an interruption.
"""

import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.common import conditions_of, resources
from benchmarks.gate.recording import append, read, recorded
from benchmarks.load import on_off_load
from perf.cnn.family import CnnFamily
from perf.dist.family import DistFamily
from perf.measure.engine import measure
from perf.measure.family import Resources
from perf.measure.ledger import Ledger
from perf.measure.plan import Plan, Variant
from perf.measure.stacks import OF_BASELINE
from perf.measure.tiers import effort_of
from perf.rnn.family import RnnFamily

NETWORKS = (("resnet50_v1", 1), ("mobilenet1.0", 1), ("squeezenet1.0", 4), ("resnet18_v1", 4))
ROUNDS = 24
# The conditions of consecutive rounds, repeated: quiet and loaded invocations are interleaved, so that they come from
# the same hours.
KINDS = ("quiet", "quiet", "quiet", "loaded")
# The slowed arms: how much more work they do in every pass, as a fraction.
EXTRA_WORK = {"+3%": 0.03, "+5%": 0.05}


def main(folder: Path, rounds: int) -> None:
    """Record what the folder does not contain yet."""
    available = resources(dist=True)
    plans = {plan.workloads[0].name: with_arms(plan) for plan in plans_of(available)}
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(rounds):
        for name, plan in plans.items():
            record(plan, KINDS[number % len(KINDS)], number, folder / f"{name}.jsonl", available)


def plans_of(available: Resources) -> list[Plan[Any]]:
    """Return a plan for each kind of workload in the quick tier."""
    cnn, rnn, dist = CnnFamily(pretrained=False, calibration="naive"), RnnFamily(), DistFamily("quick")
    plans = [cnn.plan(network, cnn.cases("quick", [network], [batch]), available) for network, batch in NETWORKS]
    cells, jobs = rnn.cases("quick"), dist.cases([1, 2])
    return [*plans, rnn.plan(cells[0].subject, cells, available), dist.plan(jobs[0].subject, jobs, available)]


def record(plan: Plan[Any], kind: str, number: int, path: Path, available: Resources) -> None:
    """Measure one invocation as the quick tier does, and append it, unless the file has that number already. There are
    as many blocks as in a session that measures only the variants and their baseline arms.
    """
    if len(read(path)) > number:
        return
    effort = plan.effort or effort_of("quick")
    gated = sum(not name.endswith(tuple(EXTRA_WORK)) for name in (variant.name for variant in plan.variants))
    budget_s = effort.block_budget_s * len(plan.variants) / gated
    effort = replace(effort, min_invocations=1, max_invocations=1, block_budget_s=budget_s)
    started_s = time.time()
    with on_off_load() if kind == "loaded" else nullcontext():
        ((key, result),) = measure(
            [replace(plan, effort=effort)], {}, conditions_of(available, effort), lambda *_: None, Ledger()
        ).items()
    if result.failures:
        sys.exit(f"{key.workload}: {result.failures}")
    append(path, recorded(key.workload, kind, started_s, result.invocations[0]))
    print(f"{time.strftime('%H:%M:%S')} {path.stem} {number + 1}", flush=True)


def with_arms(plan: Plan[Any]) -> Plan[Any]:
    """Return the plan with a baseline arm and slowed arms of each variant but the native reference."""
    gated = [v for v in plan.variants if v.over or v.build.facts.mkldnn]
    return replace(plan, variants=(*plan.variants, *(arm for variant in gated for arm in _arms(variant))))


def _arms(variant: Variant[Any]) -> Sequence[Variant[Any]]:
    own = replace(variant, baseline_arm_of=variant.name, over=())
    slowed = [replace(own, name=variant.name + name, extra_work=work) for name, work in EXTRA_WORK.items()]
    return [replace(own, name=variant.name + OF_BASELINE), *slowed]


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if sys.argv[2:] else ROUNDS)
