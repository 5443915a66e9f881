"""Consoles for tables and lines that nothing may be cut from."""

from rich.console import Console

PLAIN_WIDTH = 160


def widened(console: Console) -> Console:
    """The console, made wide where no terminal sets a width."""
    if not console.is_terminal:
        console.width = PLAIN_WIDTH
    return console


def say(console: Console, line: str) -> None:
    """Print one line as it is; a narrow terminal wraps it."""
    console.print(line, highlight=False, markup=False, soft_wrap=True)
