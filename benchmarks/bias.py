"""Measure whether the position of a variant gives it an advantage, with equal variants in the suite's own engine.

`uv run python -m benchmarks.bias [INVOCATIONS]` measures three equal copies of each of three variants of ResNet-50 at
batch 1. It prints how much faster the second and the third copy are than the first, with the standard error over
invocations. Run it on an otherwise idle machine; an invocation of a variant takes about ten seconds.
"""

import math
import statistics
import sys
from dataclasses import replace

from rich.console import Console
from rich.table import Table

from benchmarks.common import conditions_of, resources
from perf.cnn.family import CnnFamily
from perf.judge.statistics import midmean
from perf.measure.engine import measure
from perf.measure.ledger import Ledger
from perf.measure.tiers import effort_of

NETWORK, BATCH = "resnet50_v1", 1
NAMES = ("first", "second", "third")
INVOCATIONS = 24


def main(invocations: int) -> None:
    """Measure and print the bias of each variant."""
    available = resources()
    family = CnnFamily(pretrained=False, calibration="naive")
    plan = family.plan(NETWORK, family.cases("quick", [NETWORK], [BATCH]), available)
    effort = replace(effort_of("quick"), min_invocations=invocations, max_invocations=invocations)
    table = Table(title=f"Equal variants of {NETWORK}, batch {BATCH}, {invocations} invocations")
    for name in ("variant", "copy", "over the first", "standard error", "sd of an invocation", "blocks"):
        table.add_column(name)
    for variant in plan.variants:
        equal = tuple(replace(variant, name=name, over=()) for name in NAMES)
        alone = replace(plan, variants=equal, reference=NAMES[0])
        ledger = Ledger()
        (result,) = measure([alone], {}, conditions_of(available, effort), lambda *_: None, ledger).values()
        for name in NAMES[1:]:
            ratios = result.undisturbed.log_ratios(NAMES[0], name)
            values = [midmean(blocks) for blocks in ratios if blocks]
            sd = statistics.stdev(values)
            cells = (
                variant.name,
                name,
                f"{math.expm1(statistics.fmean(values)):+.2%}",
                f"{sd / math.sqrt(len(values)):.2%}",
                f"{sd:.2%}",
                f"{statistics.fmean(map(len, ratios)):.0f}",
            )
            table.add_row(*cells)
            print(" ".join(cells), flush=True)
    Console().print(table)


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else INVOCATIONS)
