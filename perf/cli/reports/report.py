"""The subcommand report: one HTML page that shows a run, from its file."""

from pathlib import Path
from typing import Annotated

import typer

from perf.cli.history import history_of
from perf.cli.judge import latest_stored
from perf.report.console import PlainConsole, say, widened
from perf.report.overview import overview_of_run, rerun_command
from perf.report.page.build import Judged, page_of, stored_verdicts
from perf.report.page.nights import view_of
from perf.report.page.source import Compared, read_reported
from perf.report.page.write import write_page
from perf.runs.baseline import TOLERANCES, usable_baseline
from perf.runs.judges import Judge, NoBaseline, judge_run
from perf.runs.schema import read_run
from perf.runs.tolerances import read_tolerances


def report(
    run: Annotated[Path, typer.Argument(help="The run to show: a JSON file that a session wrote.")],
    baseline: Annotated[
        Path | None,
        typer.Argument(
            help="The stored run to judge it against. Where there is none, the page shows the run's own verdicts.",
            show_default="the latest of its machine class",
        ),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")] = Path("report.html"),
    history: Annotated[
        Path | None, typer.Option(help="A folder with the histories of machine classes, in FOLDER/CLASS.")
    ] = None,
) -> None:
    """Write a run as one HTML page: its verdicts, cases and figures, the nights before it, and what the gate cannot
    see.

    The page needs no network and no other file. Whatever the verdicts are, the exit code says only whether it was
    written: judge by `mxperf judge`.

    Exit code 0: written; 4: a file cannot be used or written.
    """
    judge: Judge
    stored, tolerances = read_run(run), read_tolerances(TOLERANCES)
    shown = read_reported(run, stored)
    baseline = baseline or latest_stored(stored.perf.machine_class)
    if baseline is None or (baseline.exists() and baseline.samefile(run)):
        compared = Compared.of(shown, run.name, None)
        judge, (verdicts, records) = NoBaseline(), stored_verdicts(compared)
    else:
        then = usable_baseline(baseline, stored.perf.machine_class)
        judge, verdicts = judge_run(stored, baseline.name, then, baseline.parent, tolerances, but=run)
        compared = Compared.of(shown, run.name, read_reported(baseline, then))
        records = {name: verdict.record for name, verdict in verdicts.verdicts.items()}
    overview = overview_of_run(stored, judge, verdicts, tolerances)

    def command(item: str) -> str:
        return rerun_command(item, stored, judge.name)

    nights = view_of(*history_of(history, stored.perf.machine_class)) if history else None
    page = page_of(compared, Judged(verdicts, records, judge, overview, tolerances, command), nights)
    write_page(page, output)
    say(widened(PlainConsole()), f"{output}: {overview.result}: {overview.counts_text}")
