"""The subcommand refresh: store a run as the latest baseline, if it hides no loss."""

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
    name: Annotated[str, typer.Option(help="The name of the stored run.")] = "refreshed",
    folder: Annotated[
        Path | None, typer.Option(help="Where the class's runs are stored.", show_default="baselines/CLASS")
    ] = None,
    drop: Annotated[
        list[str] | None,
        typer.Option(help="Let the run lack these cases of the latest baseline, by pattern; may be repeated."),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why cases may be worse than, or undecided against, the baseline.")] = "",
) -> None:
    """Judge a run against the latest baseline of its machine class, and store it as the next one.

    The run must hold all cases of that baseline, except those that --drop names. A case that regressed, drifted or is
    undecided needs a --reason, which is stored with the run.

    Exit code 0: stored; 4: not stored; the message says why.
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
