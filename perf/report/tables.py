"""Tables as text, and how they fit consoles of any width."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

# Wider than any table.
UNLIMITED = 10_000


@dataclass(frozen=True)
class TextTable:
    """A table as text: its `title`, the `names` of its columns, and its `rows`. `figures` says whether all columns but
    the first hold numbers, which are right-justified. `places` says how soon each column goes when the width is short:
    the largest number first, 0 never; empty when all columns stay.
    """

    title: str
    names: Sequence[str]
    rows: Sequence[Sequence[str]]
    figures: bool = True
    places: Sequence[int] = ()


def rendered(table: TextTable) -> Table:
    """Return a table for a console, which folds cells where it is too narrow. Units go on a line of their own: numbers
    are narrower than their headings.
    """
    shown = Table(
        title=table.title or None,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
    )
    for number, name in enumerate(table.names):
        heading = name.replace(" ", "\n", 1) if table.figures else name
        shown.add_column(heading, justify="right" if table.figures and number else "left", overflow="fold")
    for row in table.rows:
        shown.add_row(*map(Text, row))  # as it is: neither markup nor ":a:" of a layout means anything
    return shown


def fitted(table: TextTable, console: Console) -> TextTable:
    """Return a table without the columns that make it wider than the console, those of the largest place first."""
    unlimited = console.options.update(width=UNLIMITED)
    while Measurement.get(console, unlimited, rendered(table)).maximum > console.width and any(table.places):
        kept = [column for column, place in enumerate(table.places) if place < max(table.places)]
        table = replace(
            table,
            names=[table.names[column] for column in kept],
            rows=[[row[column] for column in kept] for row in table.rows],
            places=[table.places[column] for column in kept],
        )
    return table
