"""The subcommand refresh: a run becomes the latest baseline, if it hides no loss."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from perf.files import read_json
from perf.report.console import say, widened
from perf.report.verdicts import print_verdicts
from perf.runs.acceptance import Waiver, store
from perf.runs.baseline import BASELINES, TOLERANCES, usable_baseline
from perf.runs.judges import judge_run
from perf.runs.schema import read_run
from perf.runs.store import find_run_files
from perf.runs.tolerances import read_tolerances


def refresh(
    run: Annotated[Path, typer.Argument(help="The run: a JSON file that a session wrote.")],
    name: Annotated[str, typer.Option(help="What the stored run is called.")] = "refreshed",
    folder: Annotated[
        Path | None, typer.Option(help="Where the class's runs are stored (default: baselines/CLASS).")
    ] = None,
    drop: Annotated[
        list[str] | None, typer.Option(help="The run may lack these cases, by pattern; may be repeated.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why cases may be worse than, or undecided against, the baseline.")] = "",
) -> None:
    """Judge a run by the latest baseline of its machine class, and store it as the next one.

    Nothing is stored when it lacks cases of that baseline that are not named (--drop), or when a case regressed,
    drifted or is undecided and no reason is given (--reason), which is stored with it. Exit code 0: stored; 4: not
    stored, and why.
    """
    now, tolerances = read_run(run), read_tolerances(TOLERANCES)
    chosen = folder or BASELINES / now.perf.machine_class
    latest = find_run_files(chosen, now.perf.machine_class).latest
    console = widened(Console())
    if latest is not None:
        baseline = usable_baseline(latest, now.perf.machine_class)
        gate, judged = judge_run(now, latest.name, baseline, chosen, tolerances, but=run)
        print_verdicts(judged, gate, list(now.cases), console)
    waiver = Waiver(tuple(drop or ()), reason)
    stored = store(read_json(run, dict), chosen, name, waiver, tolerances)
    for line in stored.lines:
        say(console, line)
