"""The subcommand judge: verdicts from two stored runs, without measuring."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from perf.report.console import widened
from perf.report.verdicts import print_verdicts
from perf.runs.baseline import TOLERANCES, usable_baseline
from perf.runs.document import read_run
from perf.runs.gate import Gate, comparisons_of, fails
from perf.runs.tolerances import read_tolerances

FAILED = 1
"""The exit code when a case regressed, as pytest's for failed tests."""


def judge(
    run: Annotated[Path, typer.Argument(help="The run to judge: a JSON file that a session wrote.")],
    baseline: Annotated[Path, typer.Argument(help="The stored run to judge it by.")],
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail, too, when a case is inconclusive, no-baseline or invalid.")
    ] = False,
) -> None:
    """Judge a stored run by another one, as the session that measured it would have.

    A change is confirmed by what the session measured again after its own comparison; a run that was compared with
    nothing holds no such repetition, and a change then stays inconclusive. Exit code 0: nothing failed; 1: a case
    regressed; 4: a file cannot be used.
    """
    now = read_run(run)
    then = usable_baseline(baseline, now.perf.machine_class)
    gate = Gate(baseline.name, then, now.perf, read_tolerances(TOLERANCES), comparisons_of(now.cases, then))
    verdicts = [gate.verdict(case) for case in now.cases.values() if case.samples]
    console = widened(Console())
    print_verdicts(verdicts, gate, list(now.cases), console)
    if any(fails(verdict.kind, strict=strict) for verdict in verdicts):
        raise typer.Exit(FAILED)
