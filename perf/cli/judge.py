"""The subcommand judge: verdicts from two stored runs, without measuring."""

from pathlib import Path
from typing import Annotated

import typer

from perf.published import published_classes
from perf.report.console import PlainConsole, say, widened
from perf.report.overview import doubts_of
from perf.report.verdicts import print_verdicts
from perf.runs.baseline import BASELINES, PUBLISHED, TOLERANCES, usable_baseline
from perf.runs.groups import RunVerdicts
from perf.runs.judges import Judge, NoBaseline, judge_run
from perf.runs.schema import StoredRun, read_run
from perf.runs.store import find_run_files
from perf.runs.tolerances import read_tolerances
from perf.runs.verdict import fails

# The exit code when a case regressed or drifted; pytest's for failed tests is the same.
FAILED = 1
# The exit code when `--strict` was given and something was not judged.
NOT_JUDGED = 3


def judge(
    run: Annotated[Path, typer.Argument(help="The run to judge: a JSON file that a session wrote.")],
    baseline: Annotated[
        Path | None,
        typer.Argument(help="The stored run to judge it against.", show_default="the latest of its machine class"),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Also fail when a case is inconclusive, no-baseline or invalid, when a case of the baseline is "
            "missing, or when the run is unfinished, lacks cases or was slowed down on purpose.",
        ),
    ] = False,
) -> None:
    """Judge a stored run against another one, as the session that measured it would have.

    Runs of the same stacks are judged for drift. Another stack is judged by the session's side-by-side measurement;
    without one it is inconclusive.

    Exit code 0: nothing failed; 1: a case regressed or drifted; 3: with --strict, something was not judged; 4: a file
    cannot be used.
    """
    now, gate, judged = judge_files(run, baseline)
    console = widened(PlainConsole())
    print_verdicts(judged, gate, [*now.cases, *now.perf.elsewhere], console)
    verdicts = judged.verdicts.values()
    left_out = [f"Left out of the run: {name}: {why}" for name, why in now.perf.left_out.items()]
    doubts = [*doubts_of(now.perf), *left_out]
    for doubt in doubts:
        say(console, doubt)
    if any(fails(verdict.kind, strict=False) for verdict in verdicts):
        raise typer.Exit(FAILED)
    unjudged = any(fails(verdict.kind, strict=True) for verdict in verdicts)
    if strict and (unjudged or doubts or not verdicts or gate.only_then(list(now.cases))):
        raise typer.Exit(NOT_JUDGED)


def latest_stored(machine_class: str) -> Path | None:
    """Return the file of the latest stored run of a machine class; None when there is none."""
    return find_run_files(BASELINES / machine_class, machine_class).latest


def judge_files(run: Path, baseline: Path | None) -> tuple[StoredRun, Judge, RunVerdicts]:
    """Return the run in a file, what judges it, and its verdicts. Without a named `baseline`, the latest stored run of
    its machine class judges it; if there is none, the announcement's tables, for the classes that they hold for; else
    no case is judged. Raises PerfError when a file cannot be used.
    """
    now, tolerances = read_run(run), read_tolerances(TOLERANCES)
    machine_class = now.perf.machine_class
    path = baseline or latest_stored(machine_class)
    if path is not None:
        then = usable_baseline(path, machine_class)
        return now, *judge_run(now, path.name, then, path.parent, tolerances, but=run)
    if machine_class in published_classes():
        return now, *judge_run(now, PUBLISHED, None, BASELINES / machine_class, tolerances)
    none = NoBaseline(f"there is no stored run of machine class {machine_class}")
    return now, none, none.judged(list(now.cases.values()))
