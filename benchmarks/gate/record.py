"""Record invocations of real workers, for the gate to be tried on.

`uv run python -m benchmarks.gate.record FOLDER` measures 60 invocations of fresh workers for each of four workloads,
each with the optimised variants twice: as a candidate and, the same wheel again, as the baseline's
(`mkl-fp32@baseline`). A quarter of the invocations have an on-off load on one core. Half of them have three more
variants: `mkl-fp32` doing 3, 5 and 10 % more work in every pass. Then it measures 30 invocations for each as a second
look does, with nothing but the twin and the three slowed variants, in as many blocks as a pair of them would have.

It takes about two and a half hours with nothing else running, appends each invocation to FOLDER/WORKLOAD.jsonl or
FOLDER/WORKLOAD-second-look.jsonl, and goes on where it was interrupted.
"""

import sys
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from benchmarks.gate.recording import SECOND_LOOK, append, read, recorded
from benchmarks.load import on_off_load
from benchmarks.setting import conditions_of, resources
from perf.cnn.family import CnnFamily
from perf.measure.engine import measure
from perf.measure.family import Resources
from perf.measure.plan import Plan, Variant
from perf.measure.results import Spent
from perf.measure.tiers import effort_of
from perf.plugin.outcome import OF_BASELINE

WORKLOADS = (("resnet50_v1", 1), ("mobilenet1.0", 1), ("squeezenet1.0", 8), ("resnet18_v1", 8))
INVOCATIONS = 60
SECOND_LOOKS = 30
# The kinds of invocations, over and over: interleaved, so that each kind has seen the same hours.
KINDS = ("injected", "loaded", "injected", "quiet")
SLOWED = "mkl-fp32"
EXTRA_WORK = {"mkl-fp32+3%": 0.03, "mkl-fp32+5%": 0.05, "mkl-fp32+10%": 0.10}


def main(folder: Path) -> None:
    found = resources()
    plans = {f"{network}-b{batch}": _plan(network, batch, found) for network, batch in WORKLOADS}
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(INVOCATIONS):
        for name, plan in plans.items():
            kind = KINDS[number % len(KINDS)]
            slowed = replace(plan, variants=plan.variants + slowed_variants(plan)) if kind == "injected" else plan
            record(slowed, kind, number, folder / f"{name}.jsonl", found, gates=len(plan.variants))
    for number in range(SECOND_LOOKS):
        for name, plan in plans.items():
            twin = next(variant for variant in plan.variants if variant.name == SLOWED + OF_BASELINE)
            pairs = replace(plan, variants=(twin, *slowed_variants(plan)), reference=twin.name)
            record(pairs, "second look", number, folder / f"{name}{SECOND_LOOK}.jsonl", found, gates=2)


def record(plan: Plan, kind: str, number: int, path: Path, found: Resources, *, gates: int) -> None:
    """Measure one invocation as the nightly tier does and append it, unless the file holds that number already.

    There are as many blocks as there would be of the `gates` variants that the gate measures side by side.
    """
    if len(read(path)) > number:
        return
    effort = replace(effort_of("nightly"), min_invocations=1, max_invocations=1, precision=0.0)
    effort = replace(effort, block_budget_s=effort.block_budget_s * len(plan.variants) / gates)
    conditions = conditions_of(found, effort)
    started_s = time.time()
    with on_off_load() if kind == "loaded" else nullcontext():
        ((name, result),) = measure([plan], {}, conditions, lambda *_: None, Spent()).items()
    if result.failures:
        sys.exit(f"{name}: {result.failures}")
    append(path, recorded(name, kind, started_s, result.invocations[0]))
    print(f"{time.strftime('%H:%M:%S')} {path.stem} {number + 1}", flush=True)


def slowed_variants(plan: Plan) -> tuple[Variant, ...]:
    """The original, doing more work."""
    original = next(variant for variant in plan.variants if variant.name == SLOWED)
    return tuple(replace(original, name=name, extra_work=share) for name, share in EXTRA_WORK.items())


def _plan(network: str, batch: int, found: Resources) -> Plan:
    family = CnnFamily(pretrained=False, calibration="naive")
    plan = family.plan(network, family.cases("nightly", [network], [batch]), found)
    twins = tuple(replace(variant, name=variant.name + OF_BASELINE) for variant in plan.variants if variant.over)
    return replace(plan, variants=plan.variants + twins)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
