"""The subcommand census: what every classification network computes and roughly how fast it is, in all variants."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from perf.census.command import (
    brought_networks,
    examine_all,
    header_of,
    provided,
    wanted_networks,
    write_tables,
)
from perf.census.report import counts_text, store_command
from perf.census.state import CensusFile, opened
from perf.report.console import say, widened
from perf.wording import counted

# The exit code when a network differs and no known defect explains it.
DIFFERS = 1
# The exit code when networks are not examined yet.
UNFINISHED = 3
MINUTE_S = 60.0
# A week, longer than any census takes: what is meant is another unit, or no number (nan).
MAX_MINUTES = 7 * 24 * 60


def census(
    only: Annotated[
        list[str] | None,
        typer.Option(help="Examine networks of this name or pattern only. May be repeated.", show_default="all"),
    ] = None,
    symbol: Annotated[
        list[str] | None,
        typer.Option(help="Examine this network of your own too, written as for --perf-symbol. May be repeated."),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Also examine networks that have a result; the new one replaces it.")
    ] = False,
    minutes: Annotated[
        float | None, typer.Option(min=0, max=MAX_MINUTES, help="Begin no further network after N minutes.")
    ] = None,
    folder: Annotated[Path, typer.Option(help="Where the census keeps its results and tables.")] = Path("census"),
) -> None:
    """Examine every classification network that GluonCV names: whether FP32 agrees with the native build and INT8 is as
    accurate as its quantisation steps allow, which known defect affects it, and roughly how fast it is.

    Each result is written at once, and the same command resumes after the last one, on any machine: a result says on
    which machine class it was found. The tables are census.md and
    census.json in the folder. Networks are prepared with synthetic weights in the folder, one at a time, and removed.

    Exit code 0: every selected network has a result, and none differs; 1: one differs, and no known defect explains it;
    3: some are not examined yet; 4: an argument or a file cannot be used, or the disk is full.
    """
    console = widened(Console())
    brought = brought_networks(symbol or [])
    with opened(folder):
        builds = provided(lambda line: say(console, line))
        header = header_of(builds)
        wanted = wanted_networks(header, brought, only or [])
        file = CensusFile(folder, header)
        seconds = None if minutes is None else minutes * MINUTE_S
        left = wanted if again else [one for one in wanted if one.key not in file.results]
        for line in examine_all(folder, file, left, builds, seconds, lambda line: say(console, line)):
            say(console, line)
        write_tables(folder, file, header)
    results = [file.results[one.key] for one in wanted if one.key in file.results]
    say(console, f"{len(results)} of {counted(len(wanted), 'network')}: {counts_text(results)}. See {folder}/census.md")
    command = store_command(results)
    if command:
        say(console, f"store the answers of those that agree: {command}")
    if len(results) < len(wanted):
        say(console, f"{counted(len(wanted) - len(results), 'network')} not examined yet: run the same command again.")
        raise typer.Exit(UNFINISHED)
    if any(result.status == "differs" for result in results):
        raise typer.Exit(DIFFERS)
