"""The subcommand releases: the change of each workload from one release of MXNet to the next."""

from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from perf.cache import cache_folder
from perf.ladder.climb import Climb, climbed
from perf.ladder.data import matching, selected_rungs, tier_named
from perf.ladder.files import write_files
from perf.ladder.programs import named_workloads
from perf.ladder.result import ladder_of
from perf.ladder.setup import read_place
from perf.ladder.table import Grid, print_ladder
from perf.report.console import say, widened
from perf.report.progress import ProgressLine
from perf.runs.baseline import TOLERANCES
from perf.runs.tolerances import read_tolerances

# The exit codes when a candidate is significantly slower than the release before it, and when a workload of a candidate
# could not be compared.
SLOWER, UNDECIDED = 1, 3
# Seconds between two lines of progress in a log.
PROGRESS_S = 30.0


def releases(
    first: Annotated[str | None, typer.Option("--from", help="The first release.", show_default="the oldest")] = None,
    last: Annotated[str | None, typer.Option("--to", help="The last release.", show_default="the newest")] = None,
    candidates: Annotated[
        list[str] | None,
        typer.Option(
            "--with", help="A candidate after the last release: a requirement or a wheel, as --perf-build takes it."
        ),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Only the workloads that match this pattern; may be repeated.")
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(help="The time for measuring, with what was measured before.", show_default="the tier's"),
    ] = None,
    tier: Annotated[str, typer.Option(help="What is measured, and how hard: standard or smoke.")] = "standard",
    folder: Annotated[Path, typer.Option(help="Where the ladder keeps what it measured, and its results.")] = Path(
        "releases"
    ),
) -> None:
    """Measure every release side by side with MXNet 1.5.0, and show what changed from one release to the next.

    The workloads are networks in FP32 and INT8, a recurrent network, a training step, and single operators. The same
    command resumes an interrupted ladder; with more --minutes it measures longer, with other releases or workloads it
    measures what is missing.

    Exit code 0: the ladder is measured; 1: a candidate is significantly slower than the release before it; 3: a
    workload of a candidate could not be compared; 4: an argument cannot be used, or a build, a network or the folder.
    """
    chosen = tier_named(tier)
    rungs = selected_rungs(first, last, candidates or ())
    names = matching([named.name for named in named_workloads(chosen)], only or ())
    console = widened(Console())
    climb = Climb(rungs, names, tier, chosen.minutes if minutes is None else minutes, read_place())
    measured = climbed(climb, folder, cache_folder(None), ProgressLine(console, PROGRESS_S))
    ladder = ladder_of(climb, measured, read_tolerances(TOLERANCES))
    grid = Grid(ladder)
    print_ladder(grid, console)
    for path in write_files(ladder, folder):
        say(console, f"written: {path}")
    raise typer.Exit(exit_code(grid, {rung.release for rung in rungs if rung.requirement in (candidates or ())}))


def exit_code(grid: Grid, candidates: Collection[str]) -> int:
    """Return the exit code of a ladder with these candidates."""
    if any(step.after in candidates and step.change is not None and step.change < 1 for step in grid.significant):
        return SLOWER
    lacking = [cell.release for cell in grid.unavailable] + [step.after for step in grid.undecided]
    return UNDECIDED if set(lacking) & set(candidates) else 0
