"""Record invocations of real workers, for estimators and the gate to be tried on.

`uv run python -m benchmarks.gate.record FOLDER [ROUNDS]` measures one invocation of fresh workers of each workload a
round: networks, an LSTM and training jobs. Each optimised variant runs four times over: as a candidate, as its own
twin (`mkl-fp32@baseline`), and doing 3 and 5 % more work in every pass. Every fourth round has an on-off load on one
core. A round takes about two minutes and a half. Each invocation is appended to FOLDER/WORKLOAD.jsonl as soon as it is
measured, and the same command continues where it was interrupted.
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
# Rounds over and over: interleaved, so that quiet and loaded invocations have seen the same hours.
KINDS = ("quiet", "quiet", "quiet", "loaded")
EXTRA_WORK = {"+3%": 0.03, "+5%": 0.05}


def main(folder: Path, rounds: int) -> None:
    found = resources(dist=True)
    plans = {plan.workloads[0].name: with_arms(plan) for plan in plans_of(found)}
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(rounds):
        for name, plan in plans.items():
            record(plan, KINDS[number % len(KINDS)], number, folder / f"{name}.jsonl", found)


def plans_of(found: Resources) -> list[Plan[Any]]:
    """The quick tier's kinds of workloads, one plan each."""
    cnn, rnn, dist = CnnFamily(pretrained=False, calibration="naive"), RnnFamily(), DistFamily("quick")
    plans = [cnn.plan(network, cnn.cases("quick", [network], [batch]), found) for network, batch in NETWORKS]
    cells, jobs = rnn.cases("quick"), dist.cases([1, 2])
    return [*plans, rnn.plan(cells[0].subject, cells, found), dist.plan(jobs[0].subject, jobs, found)]


def record(plan: Plan[Any], kind: str, number: int, path: Path, found: Resources) -> None:
    """Measure one invocation as the quick tier does, with as many blocks as there would be of the variants that the
    gate measures side by side, and append it; unless the file holds that number already.
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
            [replace(plan, effort=effort)], {}, conditions_of(found, effort), lambda *_: None, Ledger()
        ).items()
    if result.failures:
        sys.exit(f"{key.workload}: {result.failures}")
    append(path, recorded(key.workload, kind, started_s, result.invocations[0]))
    print(f"{time.strftime('%H:%M:%S')} {path.stem} {number + 1}", flush=True)


def with_arms(plan: Plan[Any]) -> Plan[Any]:
    """The plan with a twin and slowed versions of each variant but a native reference."""
    gated = [v for v in plan.variants if v.over or v.build.facts.mkldnn]
    return replace(plan, variants=(*plan.variants, *(arm for variant in gated for arm in _arms(variant))))


def _arms(variant: Variant[Any]) -> Sequence[Variant[Any]]:
    own = replace(variant, baseline_arm_of=variant.name, over=())
    slowed = [replace(own, name=variant.name + name, extra_work=share) for name, share in EXTRA_WORK.items()]
    return [replace(own, name=variant.name + OF_BASELINE), *slowed]


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if sys.argv[2:] else ROUNDS)
