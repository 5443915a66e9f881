"""The subcommands of history: add runs, show the nights, check for steps and creep, export."""

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import typer
from rich.measure import Measurement

from perf.errors import PerfError
from perf.files import write_whole
from perf.history.accepted import read_accepted
from perf.history.findings import HistoryFindings, findings_of
from perf.history.nights import ACCEPTED, HISTORY, folder_of, keep, night_of, read_nights
from perf.history.otava import CONFIGURATION, otava_files
from perf.history.schema import add_command
from perf.history.tables import coverage_lines, finding_lines, history_table
from perf.report.console import PlainConsole, say, widened
from perf.report.tables import UNLIMITED
from perf.runs.baseline import TOLERANCES
from perf.runs.tolerances import read_tolerances
from perf.wording import counted

# The exit code when a case lost speed; that of mxperf judge is the same.
LOST = 1
# The exit code when `--strict` was given and something was not judged; that of mxperf judge is the same.
NOT_JUDGED = 3

FOLDER = typer.Option(help="The folder of the machine class's history.", show_default="history/CLASS")
CLASS = typer.Option("--class", help="The machine class.", show_default="the only one with a history")


def add(
    runs: Annotated[list[Path], typer.Argument(help="Runs: JSON files that sessions wrote.")],
    folder: Annotated[Path | None, FOLDER] = None,
) -> None:
    """Add runs to the history of their machine class: one file each, which never changes.

    A run that the history holds already is not added again. An unfinished run, and one that was slowed down on purpose,
    is refused.

    Exit code 0: all runs are in the history; 4: one cannot be used or written; those before it are in the history.
    """
    console = widened(PlainConsole())
    for run in runs:
        night = night_of(run)
        path = keep(night, folder or HISTORY / night.header.machine_class)
        say(console, f"{run}: added as {path}" if path else f"{run}: is in the history already")


def show(
    pattern: Annotated[str, typer.Argument(help="A case, or a pattern of names.")] = "*",
    machine_class: Annotated[str | None, CLASS] = None,
    folder: Annotated[Path | None, FOLDER] = None,
) -> None:
    """Show the nights of each case as a line, with the steps and the creep in it.

    Exit code 0: shown; 4: there is no history, or no such case in it.
    """
    findings = _findings(folder, machine_class)
    chosen = [judged for judged in findings.judged if fnmatchcase(judged.series.case, pattern)]
    if not chosen:
        names = sorted({judged.series.case for judged in findings.judged})
        step = f"name one of them or a pattern, such as '{names[0]}'" if names else f"add a run: {add_command()}"
        raise PerfError("no case of the history matches", subject=pattern, next_step=step)
    console = widened(PlainConsole())
    for line in coverage_lines(findings.nights):
        say(console, line)
    table = history_table(chosen)
    # Names and figures stay whole: on a terminal that is narrower, lines wrap.
    console.width = max(console.width, Measurement.get(console, console.options.update(width=UNLIMITED), table).minimum)
    console.print(table)


def check(
    machine_class: Annotated[str | None, CLASS] = None,
    folder: Annotated[Path | None, FOLDER] = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Also fail when a file cannot be used, the last run lacks cases, or a level is accepted from a "
            "later day on.",
        ),
    ] = False,
) -> None:
    """Look for steps and slow creep in the history, and name what changed in the stack then.

    A case is a finding when its level changed significantly, and lies below the first or accepted one by more than its
    tolerance. Accepted levels are read from accepted.toml in the folder.

    Exit code 0: no case lost speed; 1: one did; 3: with --strict, something was not judged; 4: there is no history, or
    accepted.toml is not valid.
    """
    findings = _findings(folder, machine_class)
    console = widened(PlainConsole())
    for line in (*coverage_lines(findings.nights), *finding_lines(findings)):
        say(console, line)
    if findings.lost:
        raise typer.Exit(LOST)
    if strict and (findings.nights.unusable or findings.gone or findings.waiting):
        raise typer.Exit(NOT_JUDGED)


def export(
    otava: Annotated[bool, typer.Option("--otava", help="For Apache Otava: CSV files and their otava.yaml.")] = False,
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to write to.")] = Path("otava"),
    machine_class: Annotated[str | None, CLASS] = None,
    folder: Annotated[Path | None, FOLDER] = None,
) -> None:
    """Write the history for another tool.

    Exit code 0: written; 4: no format was named, there is no history, or a file cannot be written.
    """
    if not otava:
        raise PerfError("no format was named", subject="history export", next_step="add --otava")
    files = otava_files([judged.series for judged in _findings(folder, machine_class).judged], output)
    try:
        output.mkdir(parents=True, exist_ok=True)
        for path, content in files.items():
            write_whole(path, content)
    except OSError as error:
        message = f"cannot be written to: {error.strerror}"
        raise PerfError(message, subject=str(output), next_step="name another folder with --output") from error
    say(widened(PlainConsole()), f"Written: {output / CONFIGURATION} and {counted(len(files) - 1, 'series', 'series')}")


def _findings(folder: Path | None, machine_class: str | None) -> HistoryFindings:
    """Return what the history in a folder shows. Raises PerfError when no file of it can be used."""
    chosen = folder_of(folder, machine_class)
    nights = read_nights(chosen, machine_class)
    if not nights.files:
        count = len(nights.unusable)
        why = f"none of {count}, such as {str(nights.unusable[0]).partition(chr(10))[0]}" if count else "it is empty"
        step = f"add a run: {add_command()}"
        raise PerfError(f"holds no file that can be used: {why}", subject=str(chosen), next_step=step)
    return findings_of(nights, read_accepted(chosen / ACCEPTED), read_tolerances(TOLERANCES))


HISTORY_SUBCOMMANDS = (add, show, check, export)
