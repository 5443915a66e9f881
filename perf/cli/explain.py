"""The subcommand explain: where the time of a case goes, and which operators account for a change."""

from pathlib import Path
from typing import Annotated

import typer

from perf.cache import cache_folder
from perf.explain.command import Wanted, explained
from perf.profile.text import cost_line, explanation_table, headline
from perf.report.console import PlainConsole, say, widened
from perf.report.progress import ProgressLine
from perf.report.tables import rendered

# Seconds between two lines of progress in a log.
PROGRESS_S = 10.0


def explain(
    case: Annotated[
        str, typer.Argument(help="The case, such as resnet18_v1-b1-mkl-fp32 or train-resnet18_v1-b1-mkl-r2.")
    ],
    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[RUN] [RUN]",
            help="Stored runs: one is the baseline of this checkout; of two, the second is the baseline of the first.",
            show_default=False,
        ),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            help="Compare this checkout with itself under a change, NAME=VALUE: a build (mkl=mxnet-mkl==1.4.1), "
            "threads, the link between emulated hosts in Gbit/s (link=1), or a variable of MXNet or its libraries; may "
            "be repeated.",
        ),
    ] = None,
    against: Annotated[
        list[str] | None,
        typer.Option("--against", help="Change the baseline in the same way; may be repeated."),
    ] = None,
) -> None:
    """Show where the time of a case goes by operator, or by part of a training step; with a baseline, which of them
    account for the change.

    Both stacks run side by side, in the same pairs of fresh processes and in turns. MXNet's profiler times the
    operators; the trace of MKL-DNN shows which kernels they ran. A training step is divided into forward, backward,
    allreduce, update and waiting for other ranks. No verdict comes from these passes.

    Exit code 0: explained; 4: a case, a run or a change cannot be used.
    """
    console = widened(PlainConsole())
    progress = ProgressLine(console, PROGRESS_S)
    with progress.shown():
        progress.restart()
        wanted = Wanted(runs or [], changes or [], against or [])
        result = explained(case, wanted, cache_folder(None), progress.say, progress.show_fraction)
    explanation = result.explanation
    compared = f", compared with {result.then}" if result.then else ""
    say(console, f"{result.case}: {result.now}{compared}")
    say(console, headline(explanation))
    console.print(rendered(explanation_table(explanation)))
    for doubt in [*result.doubts, *explanation.notes]:
        say(console, f"doubtful: {doubt}.")
    say(console, cost_line(explanation))
