"""The subcommand explain: where the time of a case goes, and which operators account for a change."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from perf.cache import cache_folder
from perf.errors import PerfError
from perf.explain.command import Wanted, beside_published, explained
from perf.explain.substitutions import sentences_of, table_of
from perf.limits.result import MARGIN
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
    published: Annotated[
        bool,
        typer.Option(
            "--published",
            help="Measure its speedup with one thing replaced at a time, next to the announcement's: OpenBLAS's "
            "kernels, threads, instances, batch.",
        ),
    ] = False,
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
    if published:
        if runs or changes or against:
            step = "leave out the runs and changes, or --published"
            raise PerfError("it explains a speedup, and compares no stacks", subject="--published", next_step=step)
        _beside_published(case, console, progress)
        return
    with progress.shown():
        progress.restart()
        wanted = Wanted(runs or [], changes or [], against or [])
        result = explained(case, wanted, cache_folder(None), progress.say, progress.show_fraction)
    explanation = result.explanation
    compared = f", compared with {result.then}" if result.then else ""
    say(console, f"{result.case}: {result.now}{compared}")
    say(console, headline(explanation))
    console.print(rendered(explanation_table(explanation, result.fractions)))
    beyond = [name for name, fraction in result.fractions.items() if fraction > 1 + MARGIN]
    exceeded = [f"{name} exceeds the limit, whose probe was disturbed" for name in beyond]
    for note in explanation.notes:
        say(console, f"note: {note}.")
    for doubt in [*result.doubts, *exceeded]:
        say(console, f"doubtful: {doubt}.")
    say(console, cost_line(explanation))


def _beside_published(name: str, console: Console, progress: ProgressLine) -> None:
    with progress.shown():
        case, rows = beside_published(name, cache_folder(None), progress.say, progress.show)
    console.print(rendered(table_of(rows, case.variant)))
    for sentence in sentences_of(rows, name, case.variant):
        say(console, sentence)
