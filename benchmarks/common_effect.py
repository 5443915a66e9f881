"""Whether the stored ratios of a night move together, so that a common effect could be removed from each of them.

    uv run python -m benchmarks.common_effect CLASS

Of the stored runs of a machine class: the mean correlation of speedups over native between sessions, with what
independent ones would show; and the standard deviation of each one between sessions, as it is and without the median
move of the other speedups in that session.
"""

import sys
from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.table import Table

from perf.runs.baseline import BASELINES, usable_runs
from perf.runs.schema import StoredRun

REFERENCE = "native-fp32"
PERMUTATIONS, SEED = 2000, 20261127
Matrix = np.ndarray[tuple[int, int], np.dtype[np.float64]]


def moves(runs: Sequence[StoredRun]) -> tuple[list[str], Matrix]:
    """Return the names of cases, and how far each speedup over native lay from its mean (cases by sessions)."""
    names, rows = [], []
    for name in runs[-1].cases:
        samples = [run.cases[name].samples.get(REFERENCE) for run in runs if name in run.cases]
        values = [sample.observed.log_ratio for sample in samples if sample and sample.observed]
        if len(values) == len(runs):
            names.append(name)
            rows.append(np.array(values) - np.mean(values))
    return names, np.array(rows)


def mean_correlation(rows: Matrix) -> float:
    """Return the mean correlation of all pairs of rows."""
    every = np.asarray(np.corrcoef(rows))
    return float(every[np.triu_indices(len(rows), 1)].mean())


def without_the_median_of_the_rest(rows: Matrix) -> Matrix:
    """Return the rows without the median of the other rows in each column."""
    rest = [np.median(np.delete(rows, row, axis=0), axis=0) for row in range(len(rows))]
    return rows - np.array(rest)


def main(machine_class: str, console: Console) -> None:
    """Print the correlation, and the standard deviations."""
    names, rows = moves(usable_runs(BASELINES / machine_class, machine_class))
    random = np.random.default_rng(SEED)
    drawn = [mean_correlation(random.permuted(rows, axis=1)) for _ in range(PERMUTATIONS)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    console.print(f"{len(names)} speedups in {rows.shape[1]} sessions: mean correlation {mean_correlation(rows):.2f}")
    console.print(f"Of independent ones: {low:.2f} to {high:.2f} in 95 of 100 permutations")
    table = Table("case", "sd between sessions", "without the median of the rest", "ratio")
    before, after = (np.std(one, axis=1, ddof=1) for one in (rows, without_the_median_of_the_rest(rows)))
    for name, one, other in zip(names, before, after, strict=True):
        table.add_row(name, f"{one:.1%}", f"{other:.1%}", f"{other / one:.2f}")
    console.print(table)
    ratios = after / before
    console.print(f"Smaller in {(ratios < 1).sum()} of {len(names)}; median ratio {np.median(ratios):.2f}")
    console.print(f"Root mean square: {np.sqrt((before**2).mean()):.1%} before, {np.sqrt((after**2).mean()):.1%} after")


if __name__ == "__main__":
    main(sys.argv[1], Console(width=120))
