"""The subcommands of history: add and publish runs, show the nights, check for steps and creep, export."""

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import typer
from rich.measure import Measurement

from perf.errors import PerfError
from perf.files import ROOT, write_whole
from perf.history.branch import HistoryBranch
from perf.history.findings import HistoryFindings, read_findings
from perf.history.nights import HISTORY, folder_of, keep, night_of
from perf.history.otava import CONFIGURATION, otava_files
from perf.history.schema import add_command
from perf.history.tables import coverage_lines, finding_lines, history_table
from perf.history.warnings import warnings_of
from perf.report.console import PlainConsole, emit, say, widened
from perf.report.github.history import history_lines
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


def publish(
    run: Annotated[Path, typer.Argument(help="The run: a JSON file that a session or mxperf merge wrote.")],
    branch: Annotated[str, typer.Option(help="The branch that holds the history and nothing else.")] = "history",
    remote: Annotated[str, typer.Option(help="The remote to push to: its name or its address.")] = "origin",
    repository: Annotated[Path, typer.Option(help="The git checkout.", show_default="this one")] = ROOT,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Also write the class's history into FOLDER/CLASS.")
    ] = None,
) -> None:
    """Add a run to the history on a branch, and push it: a commit with one new file.

    A missing branch is created. When another job pushes first, its files are kept, and this one is added to them;
    nothing is ever forced. The checkout's files, index and branches stay as they are. An unfinished run, one that was
    slowed down on purpose, and one of candidate wheels is refused.

    Exit code 0: the branch holds the run; 4: it does not; the message says why.
    """
    night, target = night_of(run, locked=True), HistoryBranch(repository, remote, branch)
    done = target.publish(night, output)
    how = f"added as {done.file} to" if done.file else "is already on"
    notes = ["which was created"] * done.created
    notes += [f"after {counted(done.overtaken, 'commit')} of other jobs"] * bool(done.overtaken)
    notes += [f"{counted(done.unusable, 'file')} of which cannot be used (mxperf history check)"] * bool(done.unusable)
    say(widened(PlainConsole()), f"{run}: {', '.join([f'{how} {target.text}', *notes])}")


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
    markdown: Annotated[
        bool,
        typer.Option("--markdown", help="Print Markdown, for the page of a workflow; nothing when all is as it was."),
    ] = False,
) -> None:
    """Look for steps and slow creep in the history, and name what changed in the stack then.

    A case is a finding when its level changed significantly, and lies below the first or accepted one by more than its
    tolerance. Accepted levels are read from accepted.toml in the folder.

    Exit code 0: no case lost speed; 1: one did; 3: with --strict, something was not judged; 4: there is no history, or
    accepted.toml is not valid.
    """
    findings = _findings(folder, machine_class)
    if markdown:
        emit("".join(f"{line}\n" for line in history_lines(findings)))
    else:
        console = widened(PlainConsole())
        warnings = [f"Warning: {warning}" for warning in warnings_of(findings)]
        for line in (*coverage_lines(findings.nights), *warnings, *finding_lines(findings)):
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
    """Return what the history shows that a user means. Raises PerfError when no file of it can be used."""
    return read_findings(folder_of(folder, machine_class), machine_class, read_tolerances(TOLERANCES))


def history_of(folder: Path | None, machine_class: str) -> tuple[HistoryFindings | None, str]:
    """Return what the history of a machine class shows, in the folder of all histories; None, and why, if it could not
    be judged. Without a folder there is nothing to say.
    """
    if folder is None:
        return None, ""
    try:
        return read_findings(folder / machine_class, machine_class, read_tolerances(TOLERANCES)), ""
    except PerfError as error:
        return None, f"The history was not judged: {str(error).partition(chr(10))[0]}"


HISTORY_SUBCOMMANDS = (add, publish, show, check, export)
