"""Consoles that cut nothing from tables and lines."""

from rich.console import Console

# Columns of a console that is not a terminal, such as a log: the widest table of the summary fits.
PLAIN_WIDTH = 160


def widened(console: Console) -> Console:
    """Return the console, made `PLAIN_WIDTH` wide if it is not a terminal."""
    if not console.is_terminal:
        console.width = PLAIN_WIDTH
    return console


def say(console: Console, line: str) -> None:
    """Print one line without markup or highlighting; a narrow terminal wraps it."""
    console.print(line, highlight=False, markup=False, soft_wrap=True)
