"""The subcommand bisect: which of an ordered list of wheels is the first that is slower in a case."""

from pathlib import Path
from typing import Annotated

import typer

from perf.bisection.compare import WheelJudge, steps_of
from perf.bisection.report import conclusion, heading, print_steps, progress_line, reproduction
from perf.bisection.search import bracket_of
from perf.bisection.session import Sessions, find_item
from perf.bisection.state import Bisection, answers_of, begin, known_item, opened, wheels_of
from perf.machine import read_machine
from perf.report.console import PlainConsole, say, widened
from perf.runs.baseline import TOLERANCES
from perf.runs.schema import case_of_item
from perf.runs.tolerances import read_tolerances

# The exit code when the last wheel is not slower than the first one.
NOTHING_SLOWER = 1
# The exit code when a wheel in question stayed undecided.
UNDECIDED = 3


def bisect(
    wheels: Annotated[
        list[str],
        typer.Argument(
            help="The wheels in their order, the good one first: requirements or files, as --perf-build takes them. "
            "Options of pytest may follow after --."
        ),
    ],
    case: Annotated[str, typer.Option(help="The case: its name, such as resnet18_v1-b1-mkl-fp32, or its pytest id.")],
    role: Annotated[str, typer.Option(help="The build that the wheels are put in.")] = "mkl",
    tier: Annotated[str, typer.Option(help="How hard to measure: the tier, which must contain the case.")] = "quick",
    folder: Annotated[Path, typer.Option(help="Where the bisection keeps its steps and runs.")] = Path("bisection"),
) -> None:
    """Find the first of an ordered list of wheels that is slower in a case than the first wheel.

    Each step measures one wheel side by side with the first one, in a session of its own, and judges it by the gate's
    rule; the error of 1 in 100 holds for the whole bisection. The same command resumes an interrupted one.

    Exit code 0: the first slower wheel is known; 1: the last wheel is not slower; 3: a wheel in question is undecided;
    4: an argument or a file cannot be used, or a session failed.
    """
    requirements, options = split_arguments(wheels)
    checked = wheels_of(role, requirements)
    item = known_item(folder, case, tier, options) or find_item(case, tier, options)
    bisection = Bisection(
        case=case_of_item(item),
        item=item,
        role=role,
        tier=tier,
        options=options,
        machine_class=read_machine().machine_class,
        wheels=checked,
    )
    console = widened(PlainConsole())
    sessions = Sessions(folder, bisection)
    with opened(folder):
        begin(folder, bisection)
        say(console, heading(bisection, folder))
        judge = WheelJudge(sessions.first(), read_tolerances(TOLERANCES), len(bisection.wheels) - 1)
        steps = []
        for step in steps_of(folder, bisection, judge, sessions.measured):
            steps.append(step)
            say(console, progress_line(bisection, step))
    print_steps(bisection, steps, console)
    for line in conclusion(bisection, steps):
        say(console, line)
    command = reproduction(sessions, steps)
    if command:
        say(console, f"reproduce: {command}")
    answers = answers_of(steps)
    bracket = bracket_of(len(bisection.wheels), answers)
    if bracket is None and answers[len(bisection.wheels) - 1] == "not slower":
        raise typer.Exit(NOTHING_SLOWER)
    if bracket is None or not bracket.located:
        raise typer.Exit(UNDECIDED)


def split_arguments(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Return the wheels, and the options of pytest: all from the first argument on that begins with a dash."""
    options = next((place for place, argument in enumerate(arguments) if argument.startswith("-")), len(arguments))
    return arguments[:options], arguments[options:]
