"""A bisection as text: the table of its steps, and the sentence that answers it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from perf.bisection.search import bracket_of
from perf.bisection.session import Sessions
from perf.bisection.state import Bisection, Step, answers_of
from perf.report.console import say
from perf.wording import counted

_STYLES: Mapping[str, str] = {"slower": "bold red", "not slower": "green", "undecided": "yellow"}
# A step that took longer is shown in minutes.
MINUTE_S = 60.0


def progress_line(bisection: Bisection, step: Step) -> str:
    """Return a step in one line."""
    because = _change_text(step) if step.change is not None else f"({step.reason})"
    return f"{_number(bisection, step.wheel)} {bisection.wheels[step.wheel].name}: {step.answer} {because}"


def print_steps(bisection: Bisection, steps: Sequence[Step], console: Console) -> None:
    """Print the steps as a table, in the order of the wheels, and below it the reasons for what stayed undecided."""
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("Wheel", "", "Answer", "Change [95 % interval]"):
        table.add_column(name, overflow="fold")
    for name in ("Invocations", "Sessions", "Time", "Step"):
        table.add_column(name, justify="right")
    table.add_row(_number(bisection, 0), Text(bisection.wheels[0].name), Text("the first wheel"), *["-"] * 5)
    by_wheel = {step.wheel: (number, step) for number, step in enumerate(steps, 1)}
    for wheel, entry in enumerate(bisection.wheels[1:], 1):
        if wheel not in by_wheel:
            table.add_row(_number(bisection, wheel), Text(entry.name), Text("not compared", "dim"), *["-"] * 5)
            continue
        number, step = by_wheel[wheel]
        answer = Text(step.answer, _STYLES[step.answer])
        figures = (_change_text(step), str(len(step.values)), str(step.sessions), _time_text(step.seconds), str(number))
        table.add_row(_number(bisection, wheel), Text(entry.name), answer, *map(Text, figures))
    console.print(table)
    for step in steps:
        if step.answer == "undecided":
            say(console, f"{bisection.wheels[step.wheel].name} is undecided: {step.reason}.")


def conclusion(bisection: Bisection, steps: Sequence[Step]) -> list[str]:
    """Return what the steps say, a line each."""
    count, answers = len(bisection.wheels), answers_of(steps)
    first, last = bisection.wheels[0].name, bisection.wheels[-1].name
    bracket = bracket_of(count, answers)
    if bracket is None:
        what = "is not slower than" if answers.get(count - 1) == "not slower" else "could not be compared with"
        return [f"nothing to bisect: {last} {what} {first} in {bisection.case}."]
    before, after = bisection.wheels[bracket.low].name, bisection.wheels[bracket.high].name
    if bracket.located:
        return [f"first slower: {after} (after {before})"]
    candidates = [bisection.wheels[wheel].name for wheel in range(bracket.low + 1, bracket.high + 1)]
    return [
        f"first slower: one of {', '.join(candidates)} (after {before}); "
        f"{counted(len(candidates) - 1, 'wheel')} between stayed undecided."
    ]


def reproduction(sessions: Sessions, steps: Sequence[Step]) -> str | None:
    """Return the command that measures the first slower wheel again; None when no wheel is slower."""
    bracket = bracket_of(len(sessions.bisection.wheels), answers_of(steps))
    return sessions.command(bracket.high) if bracket else None


def heading(bisection: Bisection, folder: Path) -> str:
    """Return what is searched for, in one line."""
    names = f"{len(bisection.wheels)} wheels in the build {bisection.role}"
    return f"{bisection.case}: which of {names} is the first that is slower than {bisection.wheels[0].name}? ({folder})"


def _number(bisection: Bisection, wheel: int) -> str:
    return f"{wheel + 1}/{len(bisection.wheels)}"


def _change_text(step: Step) -> str:
    if step.change is None or step.change_low is None or step.change_high is None:
        return "-"
    return f"{step.change - 1:+.1%} [{step.change_low - 1:+.1%}, {step.change_high - 1:+.1%}]"


def _time_text(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < MINUTE_S else f"{seconds / MINUTE_S:.1f} min"
