"""The subcommand runner: the settings of a machine that does nothing but measure."""

import os
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from perf.errors import PerfError
from perf.machine.runner import ROOT, Outcome, apply, planned_apply, planned_revert, read_settings, revert
from perf.machine.runner.record import RECORD, read_record
from perf.report.console import PlainConsole, say, widened
from perf.wording import counted

# The exit code when a setting is not as wanted, or could not be changed.
DIFFERS = 1
_STYLES = {"as wanted": "green", "differs": "bold yellow", "not available": "dim"}


class Action(StrEnum):
    """What to do with the settings."""

    STATUS = "status"
    APPLY = "apply"
    REVERT = "revert"


def runner(
    action: Annotated[
        Action,
        typer.Argument(
            help="status: show the settings; apply: set them, and record what they were; revert: restore what was "
            "recorded."
        ),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the commands instead of running them.", show_default=False)
    ] = False,
    record: Annotated[Path, typer.Option(help="The file that holds the previous values.")] = RECORD,
) -> None:
    """Show, set or restore what a machine that does nothing but measure should have: numactl, the CPU frequency
    governor, turbo, NUMA balancing, transparent huge pages, swap and SMT.

    What the machine does not have is reported as not available. A second apply changes nothing that is as wanted, and
    keeps what was recorded first. Both apply and revert need root, except with --dry-run.

    Exit code 0: everything available is as wanted, or restored; 1: something differs, or could not be changed; 4: not
    root, or the previous values cannot be recorded or read.
    """
    console = widened(PlainConsole())
    if action is not Action.STATUS and not dry_run:
        _need_root(action)
    if action is Action.REVERT and read_record(record) is None:
        say(console, f"There is nothing to restore: {record} does not exist.")
        return
    if action is Action.STATUS:
        differ = _show(console)
    elif dry_run:
        differ = False
        planned = planned_apply(ROOT) if action is Action.APPLY else planned_revert(ROOT, record)
        for outcome in planned:
            say(console, f"would run: {outcome.command}")
        say(console, f"{counted(len(planned), 'change')} to make.")
    else:
        done = apply(ROOT, record) if action is Action.APPLY else revert(ROOT, record)
        differ = _report(done, action, record, console)
        if action is Action.APPLY:
            differ |= _show(console)
    if differ:
        raise typer.Exit(DIFFERS)


def _need_root(action: Action) -> None:
    if os.geteuid():
        step = f"sudo {Path(sys.prefix, 'bin', 'mxperf')} runner {action}, or add --dry-run to see what it would do"
        raise PerfError("only root may change the machine's settings", subject=f"runner {action}", next_step=step)


def _show(console: Console) -> bool:
    """Print the settings as a table, and return whether one differs."""
    states = read_settings(ROOT)
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("Setting", "Now", "Wanted", "State"):
        table.add_column(name, overflow="fold")
    for state in states:
        cells = (state.name.replace("_", " "), state.now, state.wanted)
        table.add_row(*map(Text, cells), Text(state.fit, _STYLES[state.fit]))
    console.print(table)
    return any(state.fit == "differs" for state in states)


def _report(outcomes: Sequence[Outcome], action: Action, record: Path, console: Console) -> bool:
    """Print what was done, and return whether something failed."""
    for outcome in outcomes:
        change = outcome.change
        result = f"FAILED: {outcome.problem}" if outcome.problem else f"{change.now or 'missing'} -> {change.then}"
        say(console, f"{change.setting.replace('_', ' ')}: {outcome.command}: {result}")
    failed = [outcome for outcome in outcomes if outcome.problem]
    changed = counted(len(outcomes) - len(failed), "change")
    say(console, f"{changed} made{f', {len(failed)} failed' if failed else ''}.")
    if read_record(record) is not None:
        kept = "could not be restored" if action is Action.REVERT else "was before the first apply"
        say(console, f"What {kept}: {record}")
    return bool(failed)
