"""Consoles that cut nothing from tables and lines."""

import os

from rich.console import Console

# Columns of a console that is not a terminal, such as a log, where the variable COLUMNS does not set them.
PLAIN_WIDTH = 100


def widened(console: Console) -> Console:
    """Return the console, made `PLAIN_WIDTH` wide if neither a terminal nor the variable COLUMNS sets a width."""
    if not console.is_terminal and not os.environ.get("COLUMNS"):
        console.width = PLAIN_WIDTH
    return console


def say(console: Console, line: str) -> None:
    """Print one line without markup or highlighting; a narrow terminal wraps it."""
    console.print(line, highlight=False, markup=False, soft_wrap=True)
