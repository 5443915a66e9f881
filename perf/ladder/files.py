"""The files of a measured ladder: JSON, CSV, Markdown, and a chart as one HTML file."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from perf.errors import PerfError
from perf.files import write_whole
from perf.ladder.chart import chart_of
from perf.ladder.schema import StoredLadder
from perf.ladder.table import LEGEND, Grid, csv_of_steps, lines_of
from perf.report.github.markdown import escaped, table

# The name of each file, without its ending.
NAME = "ladder"
# Characters of a list of kernels; that of the largest networks has some 500.
LONGEST = 2000


def write_files(ladder: StoredLadder, folder: Path) -> list[Path]:
    """Write all files of a ladder into a folder, each whole or not at all, and return their paths.

    Raises PerfError when one cannot be written.
    """
    grid = Grid(ladder)
    contents = {
        "json": msgspec.json.format(msgspec.json.encode(ladder)) + b"\n",
        "csv": csv_of_steps(ladder).encode(),
        "md": "\n".join([*markdown_of(grid), ""]).encode(),
        "html": chart_of(grid).encode(),
    }
    paths = []
    for ending, content in contents.items():
        path = folder / f"{NAME}.{ending}"
        try:
            write_whole(path, content)
        except OSError as error:
            step = "free some space there, then repeat the command: nothing is measured twice"
            raise PerfError(f"cannot be written: {error.strerror}", subject=str(path), next_step=step) from error
        paths.append(path)
    return paths


def markdown_of(grid: Grid) -> Iterator[str]:
    """Yield the lines of a page for docs/results: the table with intervals, what follows from it, and the kernels."""
    ladder = grid.ladder
    yield f"# The ladder of releases, {ladder.datetime.partition('T')[0]}"
    yield ""
    yield (
        f"Measured by `mxperf releases` on machine class `{ladder.machine_class}` ({ladder.cpu}), anchor "
        f"`{ladder.anchor}`, control `{ladder.control}`, tier `{ladder.tier}`."
    )
    yield ""
    yield f"Change of speed from the release before, with its 95 % interval; below 0 is slower. {LEGEND}"
    yield ""
    rows = [[w, *(grid.text(release, w, interval=True) for release in grid.releases)] for w in grid.workloads]
    yield from table(["Workload", *grid.releases], [list(map(escaped, row)) for row in rows], figures=True)
    yield ""
    yield from (f"- {escaped(line)}" for line in lines_of(grid))
    yield ""
    yield "## Kernels"
    yield ""
    yield "Kernels of MKL-DNN that one pass ran, and how often, from an untimed trace."
    yield ""
    rows = [
        [cell.workload, cell.release, ", ".join(f"{name} ({n})" for name, n in cell.kernels.items()) or "none"]
        for cell in sorted(ladder.cells, key=lambda cell: grid.workloads.index(cell.workload))
        if cell.kernels is not None
    ]
    yield from table(["Workload", "Release", "Kernels"], [[escaped(cell, LONGEST) for cell in row] for row in rows])
