"""Measure the fidelity of the suite's numbers, as ratios that are measured side by side in one run.

`uv run python -m benchmarks.fidelity` prints two tables: the suite's latency divided by a bare loop's, for three
networks, and the ratio of two identical variants while another process loads one core on and off. Run it on an
otherwise idle machine; it takes about ten minutes. `uv run python -m benchmarks.fidelity identical` prints only the
second table.
"""

import json
import math
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.common import conditions_of, resources
from benchmarks.load import on_off_load
from perf.builds import process_environment
from perf.cnn.family import CnnCase, CnnFamily
from perf.cnn.networks import INPUT
from perf.judge.change import change_side_by_side
from perf.judge.statistics import midmean
from perf.judge.variance_prior import NO_PRIOR
from perf.machine import Placement
from perf.measure.engine import measure
from perf.measure.family import Resources
from perf.measure.ledger import Ledger
from perf.measure.plan import Plan, Program, Variant, Workload
from perf.measure.tiers import Effort, effort_of
from perf.measure.workers.turns import Processes, turn
from perf.measure.workers.worker_group import WorkerGroup

NETWORKS = ("resnet50_v1", "mobilenet1.0", "squeezenet1.0")
BATCH = 1
VARIANT = "mkl-fp32"
INVOCATIONS = 10
# Short slots in many blocks: suite and bare loop then see the same disturbances.
BLOCKS = 30
SLOT_S = 0.1
# The network and batch that are measured under load.
LOADED_WORKLOAD = ("resnet50_v1", 1)


def main() -> None:
    """Measure and print both tables."""
    console = Console()
    available = resources()
    if "identical" not in sys.argv:
        show_bare_loops(available, console)
    table = Table(title=f"Ratio of two identical {VARIANT} variants with an on-off load on one core, {LOADED_WORKLOAD}")
    for name in ("effort", "median ratio", "lowest invocation", "highest invocation"):
        table.add_column(name)
    efforts = {"quick tier": effort_of("quick"), "nightly tier": effort_of("nightly")}
    for name, effort in efforts.items():
        ratios_by_invocation = identical_variants(available, effort)
        table.add_row(
            name,
            f"{statistics.median(ratios_by_invocation):.4f}",
            f"{min(ratios_by_invocation):.4f}",
            f"{max(ratios_by_invocation):.4f}",
        )
        print(f"{name}, each invocation:", " ".join(f"{ratio:.4f}" for ratio in ratios_by_invocation), flush=True)
    console.print(table)


def show_bare_loops(available: Resources, console: Console) -> None:
    """Measure and print the suite's latencies relative to a bare loop's."""
    table = Table(title=f"Suite's median latency / bare loop's, {VARIANT}, batch {BATCH}, {INVOCATIONS} invocations")
    for name in ("network", "ratio", "95 % interval", "lowest invocation", "highest invocation"):
        table.add_column(name)
    for network in NETWORKS:
        ratios = against_bare_loop(network, available)
        middles = [midmean(blocks) for blocks in ratios]
        change = change_side_by_side(middles, NO_PRIOR)
        low, high = change.interval()
        lowest, highest = (f"{math.exp(extreme(middles)):.4f}" for extreme in (min, max))
        table.add_row(network, f"{change.ratio:.4f}", f"[{low:.4f}, {high:.4f}]", lowest, highest)
        print(network, f"{change.ratio:.4f}", f"[{low:.4f}, {high:.4f}]", flush=True)
    console.print(table)


def against_bare_loop(network: str, available: Resources) -> list[list[float]]:
    """Return log(suite's median latency / bare loop's) of each block, a list for each invocation."""
    plan = _plan(network, BATCH, available)
    variant = next(v for v in plan.variants if v.name == VARIANT)
    effort = replace(effort_of("nightly"), slot_s=SLOT_S)
    ratios = []
    for _ in range(INVOCATIONS):
        group = WorkerGroup(variant, available.placements[:1], available.scratch, timeout_s=available.timeout_s)
        try:
            with _bare_loop(variant, plan.workloads[0], available.placements[0]) as bare:
                group.prepare(plan.workloads[0])
                group.hold()
                _bare_latency(bare, 1.0)
                bare_turns = Processes([bare.pid])
                bare_turns.hold()
                with turn(group):
                    group.warm_up(effort)
                blocks = []
                for block in range(BLOCKS):
                    suite = 0.0
                    loop = 0.0
                    for whose in ("suite", "bare")[:: 1 if block % 2 else -1]:
                        if whose == "suite":
                            with turn(group):
                                suite = statistics.median(group.run(effort).instances_ns[0]) / 1e9
                        else:
                            with turn(bare_turns):
                                loop = _bare_latency(bare, effort.slot_s)
                    blocks.append(math.log(suite / loop))
                ratios.append(blocks)
        finally:
            group.close()
    return ratios


def identical_variants(available: Resources, effort: Effort) -> list[float]:
    """Return the ratio of two identical variants in each invocation, measured by the suite's engine under load."""
    network, batch = LOADED_WORKLOAD
    plan = _plan(network, batch, available)
    variant = next(v for v in plan.variants if v.name == VARIANT)
    identical = replace(plan, variants=(replace(variant, name="one"), replace(variant, name="other")), reference="one")
    effort = replace(effort, min_invocations=INVOCATIONS, max_invocations=INVOCATIONS)
    conditions = conditions_of(available, effort)
    with on_off_load():
        results = measure([identical], {}, conditions, lambda text, _: print(text, flush=True), Ledger())
    ratios = results[identical.key_of(plan.workloads[0])].log_ratios("one", "other")
    return [math.exp(midmean(blocks)) for blocks in ratios]


def _plan(network: str, batch: int, available: Resources) -> Plan[Any]:
    family = CnnFamily(pretrained=False, calibration="naive")
    return family.plan(network, [CnnCase(network, batch, VARIANT, family)], available)


@contextmanager
def _bare_loop(variant: Variant[Any], workload: Workload, placement: Placement) -> Iterator["subprocess.Popen[str]"]:
    batch, _, size, _ = workload.inputs[INPUT]
    program = variant.program
    if not isinstance(program, Program):
        raise TypeError(f"{program.label} is not a network")
    arguments = [program.symbol, program.params, program.subgraph, batch, size]
    script = Path(__file__).with_name("bare_loop.py")
    command = [*placement.prefix, str(variant.build.python), str(script), *map(str, arguments)]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=process_environment(variant.build, placement.threads),
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def _bare_latency(bare: "subprocess.Popen[str]", duration_s: float) -> float:
    """Run the bare loop for a time, and return its median latency in seconds."""
    if bare.stdin is None or bare.stdout is None:
        raise TypeError("the bare loop has no pipes")
    bare.stdin.write(f"{duration_s}\n")
    bare.stdin.flush()
    durations: list[float] = json.loads(bare.stdout.readline())
    return statistics.median(durations)


if __name__ == "__main__":
    main()
