"""Tables as CSV (RFC 4180) that spreadsheets open without running anything in it."""

import csv
import io
from typing import Any

import msgspec

from perf.report.exports.tables import Table, tables_of
from perf.runs.session.run import MeasuredRun

# A spreadsheet takes a cell that begins with one of these for a formula, or skips the character and looks at the next
# (OWASP, "CSV Injection"). The last four are the full-width forms.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
# Marks a cell as text. A text that begins with it gets another one, so that `unmarked` can tell them apart.
_TEXT = "'"


def csv_files(run: MeasuredRun) -> dict[str, bytes]:
    """Return every table of a run as a CSV file, by file name."""
    return {f"{table.name}.csv": csv_of(table).encode() for table in tables_of(run)}


def csv_of(table: Table) -> str:
    """Return a table as CSV: texts in quotes, numbers as their shortest exact form, null as an empty text."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    writer.writerow(map(marked, table.columns))
    writer.writerows([_cell(row.get(column)) for column in table.columns] for row in table.rows)
    return stream.getvalue()


def marked(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: behind an apostrophe if it begins like one."""
    # Spreadsheets ignore spaces before a formula.
    return _TEXT + text if text.lstrip(" \u00a0").startswith((*_FORMULA, _TEXT)) else text


def unmarked(cell: str) -> str:
    """Return the text of a cell that `marked` made."""
    return cell.removeprefix(_TEXT) if cell.lstrip(" \u00a0").startswith(_TEXT) else cell


def _cell(value: Any) -> str | int | float:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return value
    return marked(value if isinstance(value, str) else msgspec.json.encode(value, order="sorted").decode())
