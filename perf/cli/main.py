"""The command's entry point and the list of its subcommands."""

import sys
import traceback

import typer

from perf.cli.doctor import doctor
from perf.cli.fields import fields
from perf.cli.judge import judge
from perf.cli.refresh import refresh
from perf.errors import PerfError

USAGE_ERROR = 4
"""The exit code that pytest, too, ends with for what the user can mend."""
DEFECT = 70
"""The exit code of a defect of this program (sysexits.h, EX_SOFTWARE): Python's own, 1, is that of a regressed case."""

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)
app.command()(doctor)
app.command()(judge)
app.command()(fields)
app.command()(refresh)


@app.callback()
def mxperf() -> None:
    """Performance-regression suite for MXNet's CPU backend. What is measured is run with pytest: see README.md."""


def main() -> None:
    """Run the command; a PerfError ends it with its message and exit code 4, another error with a traceback and 70."""
    try:
        app()
    except PerfError as error:
        print(error, file=sys.stderr)
        sys.exit(USAGE_ERROR)
    except Exception:  # noqa: BLE001 - whatever it is, it must not look like a verdict
        traceback.print_exc()
        sys.exit(DEFECT)
