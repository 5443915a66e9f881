"""Consoles that cut nothing from tables and lines, and show no control characters that a name contains."""

import os
import re
import sys
from collections.abc import Iterable, Iterator

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

# Columns of a console that is not a terminal, such as a log, where the variable COLUMNS does not set them.
PLAIN_WIDTH = 100
# The exit code when nobody reads the output any more: what a shell reports for a program that SIGPIPE ended. Rich's and
# Typer's own, 1, means a regressed case here.
CLOSED_PIPE = 141
# What makes a line of a workflow's log a command: colons at its start, or the older form anywhere (`ActionCommand` in
# the source of GitHub's runner).
COLONS = re.compile(r"^[^\S\n]*:+", re.MULTILINE)
BRACKET = "##["


class PlainConsole(Console):
    """A console on which the texts of a run's file do nothing but appear: they may hold a terminal's commands."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield what is to be printed, without control characters of texts, and in a workflow without its commands."""
        segments = super().render(renderable, options)
        plain = (each if each.control else each._replace(text=printable(each.text)) for each in segments)
        return _without_commands(plain) if in_workflow() else plain

    def on_broken_pipe(self) -> None:
        """End the program, as a signal would. Raises SystemExit."""
        _end_of_pipe()


def widened(console: Console) -> Console:
    """Return the console, made `PLAIN_WIDTH` wide if neither a terminal nor the variable COLUMNS sets a width."""
    if not console.is_terminal and not os.environ.get("COLUMNS"):
        console.width = PLAIN_WIDTH
    return console


def in_workflow() -> bool:
    """Whether GitHub Actions runs this process, and reads what it prints."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def say(console: Console, line: str) -> None:
    """Print one line without markup or highlighting; a narrow terminal wraps it. A line break in it becomes a space:
    what a name contains never starts a line, where a workflow's log would take it for a command.
    """
    console.print(" ".join(line.splitlines()), highlight=False, markup=False, soft_wrap=True)


def on_one_line(text: str) -> str:
    """Return a text without line breaks and without what `printable` takes away, for a console that is not ours."""
    return printable(" ".join(text.splitlines()))


def emit(text: str) -> None:
    """Write a text exactly as it is to standard output, for another program."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        _end_of_pipe()


def printable(text: str) -> str:
    """Return a text without control characters, and without those that change the direction of writing; line breaks
    stay.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char == "\n" else " " * cell_len(char) for char in text)


def plain_text(text: str) -> str:
    """Return a text of several lines that may hold names of files, for a console that is not ours: without what
    `printable` takes away, and in a workflow without its commands.
    """
    plain = printable(text.expandtabs())
    return COLONS.sub(_blank, plain.replace(BRACKET, "# [")) if in_workflow() else plain


def _without_commands(segments: Iterable[Segment]) -> Iterator[Segment]:
    """Yield segments in which no line begins with a colon: a cell of a table can begin one."""
    at_start = True
    for segment in segments:
        if segment.control:
            yield segment
            continue
        text = segment.text.replace(BRACKET, "# [")
        head, line_break, rest = text.partition("\n")
        if at_start:
            head = COLONS.sub(_blank, head)
        text = head + line_break + COLONS.sub(_blank, rest)
        at_start = not text.rpartition("\n")[2].strip() and (at_start or bool(line_break))
        yield segment._replace(text=text)


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _end_of_pipe() -> None:
    # Python writes what is left of the output when it ends, and would complain.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(CLOSED_PIPE)
