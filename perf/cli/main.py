"""The entry point of mxperf and the list of its subcommands."""

import io
import sys
import traceback

import typer

from perf.cli.reference import GROUPS, PURPOSES, SUBCOMMANDS
from perf.errors import PerfError
from perf.files import disk_problem
from perf.report.console import plain_text

# The exit code for what the user can fix; pytest's is the same.
USAGE_ERROR = 4
# The exit code of a defect of this program (sysexits.h, EX_SOFTWARE): Python's own, 1, means a regressed case here.
DEFECT = 70

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)
for subcommand in SUBCOMMANDS:
    app.command()(subcommand)
for name, subcommands in GROUPS.items():
    group = typer.Typer(help=PURPOSES[name], no_args_is_help=True, rich_markup_mode=None)
    for subcommand in subcommands:
        group.command()(subcommand)
    app.add_typer(group, name=name)


@app.callback()
def mxperf() -> None:
    """Performance-regression suite for MXNet's CPU backend. Measure with pytest: see README.md."""


def main() -> None:
    """Run the command. A PerfError ends it with its message and exit code 4, another error with a traceback and 70."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a locale of the terminal that lacks a character ends nothing
        sys.stdout.reconfigure(errors="replace")
    try:
        app()
    except PerfError as error:
        print(plain_text(str(error)), file=sys.stderr)
        sys.exit(USAGE_ERROR)
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not look like a verdict
        if isinstance(error, OSError) and (problem := disk_problem(error)):
            print(plain_text(str(problem)), file=sys.stderr)
            sys.exit(USAGE_ERROR)
        traceback.print_exc()
        sys.exit(DEFECT)
