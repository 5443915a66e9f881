"""Try the gate, and the rules of other tools, on recorded invocations (benchmarks.gate.record).

`uv run python -m benchmarks.gate.trial FOLDER [TIER]` prints tables of what was recorded, of false alarms in whole runs
in which nothing changed, and of how often a single case that became slower is `regressed`, with the suite's own budgets
for confirmations, for both tiers or one. Nothing is measured; the draws are seeded.
"""

import math
import random
import statistics
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from benchmarks.gate.rules import RULES
from benchmarks.gate.runs import QUIET, Case, Drawn, draw_run, family_of, judge_other_stack, judge_same_stack
from benchmarks.gate.samples import (
    BASELINE_ARM,
    SLOWED,
    Recordings,
    latencies_ns,
    load,
    log_ratio,
    percent,
    reference_of,
    variants_of,
)
from perf.judge.judgement import Judgement
from perf.measure.tiers import Effort, effort_of
from perf.report.console import widened
from perf.runs.baseline import TOLERANCES
from perf.runs.tolerances import Tolerances, read_tolerances

# Simulated runs: enough to know an error rate of 1 % to half of itself.
RUNS = 400
# Invocations of the stored run.
BASELINES = (3, 8)
SEED = 20190713
# The number of CNN workloads in a tier; the recorded ones stand for them in turn.
TIERS = {"quick": 8, "nightly": 56}
CONDITIONS = {"quiet": QUIET, "a quarter loaded": (*QUIET, "loaded")}


def main(folder: Path, tiers: Sequence[str]) -> None:
    """Print all tables of these tiers."""
    console = widened(Console())
    recordings, tolerances = load(folder), read_tolerances(TOLERANCES)
    print_recordings(recordings, console)
    for tier in tiers:
        runs = RUNS if tier == "quick" else RUNS // 10
        workloads = workloads_of(recordings, TIERS[tier])
        effort = effort_of(tier)
        console.print(f"{tier} tier: {len(workloads)} workloads, {effort.confirm_budget_s:g} s for confirmations")
        print_false_alarms(recordings, workloads, effort, tolerances, runs, console)
        print_power(recordings, workloads, effort, tolerances, runs, console)


def workloads_of(recordings: Recordings, count: int) -> list[str]:
    """Return a tier's workloads: `count` CNNs, taken from the recorded ones in turn, and each other workload once."""
    cnns = [name for name in recordings if family_of((name, "")) == "cnn"]
    rest = [name for name in recordings if family_of((name, "")) != "cnn"]
    return [cnns[number % len(cnns)] for number in range(count)] + rest


def print_recordings(recordings: Recordings, console: Console) -> None:
    """Print how much the ratios of recorded invocations vary, over an equal baseline arm and over the reference."""
    table = Table(
        "workload",
        "variant",
        "quiet",
        "over baseline arm",
        "sd",
        "loaded",
        "sd",
        "over reference, sd",
        "second half : first",
    )
    for workload, every in recordings.items():
        reference = reference_of(every)
        for variant in variants_of(every):
            groups = {
                kind: _known(
                    log_ratio(i, variant + BASELINE_ARM, variant) for i in every if (i.kind == "loaded") == loaded
                )
                for kind, loaded in (("quiet", False), ("loaded", True))
            }
            over = _known(log_ratio(i, reference, variant) for i in every if i.kind != "loaded")
            middle = len(over) // 2
            drift = statistics.median(over[middle:]) - statistics.median(over[:middle])
            mean = f"{math.expm1(statistics.fmean(groups['quiet'])):+.2%}"
            error = statistics.stdev(groups["quiet"]) / math.sqrt(len(groups["quiet"]))
            table.add_row(
                workload,
                variant,
                str(len(groups["quiet"])),
                f"{mean} (se {error:.2%})",
                percent(groups["quiet"]),
                str(len(groups["loaded"])),
                percent(groups["loaded"]),
                "-" if variant == reference else percent(over),
                "-" if variant == reference else f"{math.exp(drift):.3f}",
            )
    console.print(table)


def print_false_alarms(
    recordings: Recordings,
    workloads: Sequence[str],
    effort: Effort,
    tolerances: Tolerances,
    runs: int,
    console: Console,
) -> None:
    """Print how many runs in which nothing changed raise an alarm, and the verdicts on their cases."""
    table = Table("stack", "machine", "baseline", "runs with an alarm", "verdicts of cases", "confirmations")
    for condition, kinds in CONDITIONS.items():
        for stored in BASELINES:
            draw = random.Random(SEED)
            drawn = [draw_run(recordings, workloads, effort.min_invocations, stored, draw, kinds) for _ in range(runs)]
            other = [judge_other_stack(run, tolerances, effort) for run in drawn]
            same = [judge_same_stack(run, tolerances, recordings) for run in drawn]
            for stack, results in (("another, equally fast", other), ("the same", same)):
                alarms = sum(result.count("regressed") + result.count("drifted") > 0 for result in results)
                verdicts = Counter(judgement.kind for result in results for judgement in result.judgements.values())
                fractions = ", ".join(
                    f"{kind} {count / verdicts.total():.1%}" for kind, count in verdicts.most_common()
                )
                spent_s = statistics.fmean(result.confirm_s for result in results)
                table.add_row(
                    stack,
                    condition,
                    f"{stored} invocations",
                    f"{alarms} of {runs}",
                    fractions,
                    f"{spent_s:.0f} s" if results is other else "-",
                )
    console.print(table)


def print_power(
    recordings: Recordings,
    workloads: Sequence[str],
    effort: Effort,
    tolerances: Tolerances,
    runs: int,
    console: Console,
) -> None:
    """Print how often one case that became slower is `regressed`, and the verdicts of other tools on the same draws.
    The false alarms of those tools are counted on the same cases without a change.
    """
    names = [f"{loss} slower: {what}" for loss in SLOWED for what in ("gate", "promised", *RULES)]
    table = Table("slowed case", *(Column(name, justify="right") for name in names))
    alarms: Counter[str] = Counter()
    tried = 0
    for workload, variant in _slowable(recordings):
        cells = []
        for arm in SLOWED.values():
            draw = random.Random(SEED)
            called, promised, kept, seen, by_rule = 0, 0, 0, 0, Counter[str]()
            for _ in range(runs):
                run, case = _with_slowed(recordings, workloads, workload, variant, arm, effort, draw)
                judgement = judge_other_stack(run, tolerances, effort).judgements[case]
                called += judgement.kind == "regressed"
                if _promises(judgement, float(arm.strip("+%")) / 100):
                    promised += 1
                    kept += judgement.kind == "regressed"
                then = latencies_ns(run.then[case], variant)
                slowed = latencies_ns(run.late[case], run.arm[case])
                if not slowed:  # some recordings have slowed arms only in every second invocation
                    continue
                for name, rule in RULES.items():
                    by_rule[name] += rule(then, slowed)
                    alarms[name] += rule(then, latencies_ns(run.late[case], variant))
                tried += 1
                seen += 1
            cells += [f"{called / runs:.0%}", f"{kept} of {promised}", *(f"{by_rule[n] / seen:.0%}" for n in RULES)]
        table.add_row(f"{workload} {variant}", *cells)
    console.print(table)
    rates = ", ".join(f"{name} {alarms[name] / tried:.1%}" for name in RULES)
    console.print(f"False alarms of other tools on the same cases, each case alone: {rates}")


def _slowable(recordings: Recordings) -> list[Case]:
    return [
        (name, variant)
        for name, every in recordings.items()
        for variant in variants_of(every)
        if any(variant + arm in invocation.blocks[0].slots for invocation in every for arm in SLOWED.values())
    ]


def _with_slowed(
    recordings: Recordings,
    workloads: Sequence[str],
    workload: str,
    variant: str,
    arm: str,
    effort: Effort,
    draw: random.Random,
) -> tuple[Drawn, Case]:
    """Return a run in which the first copy of a workload's variant is the slowed arm, and that case."""
    run = draw_run(recordings, workloads, effort.min_invocations, BASELINES[0], draw)
    case = next(case for case in run.arm if run.workload[case] == workload and case[1] == variant)
    return replace(run, arm={**run.arm, case: variant + arm}), case


def _promises(judgement: Judgement, loss: float) -> bool:
    """Return whether the gate stated that it would detect such a loss."""
    return judgement.smallest_loss is not None and judgement.smallest_loss <= loss


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or list(TIERS))
