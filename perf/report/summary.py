"""The end of a run: measured speedups beside the published ones, in the shape of the announcement's Table 2."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from perf.errors import PerfError
from perf.files import write_whole
from perf.report.console import say


@dataclass(frozen=True)
class Summary:
    """What a run's end shows: the records of its cases (`extra_info`), and lines to stand above and below them."""

    records: Sequence[Mapping[str, Any]]
    header: Sequence[str]
    footer: Sequence[str]


def print_summary(summary: Summary, console: Console) -> None:
    """Print the summary as a table; nothing of it is cut on a narrow terminal."""
    for line in summary.header:
        say(console, line)
    if summary.records:
        names, rows = table_of(summary.records)
        table = Table(
            title="Speedup over native [95 % interval], as in the announcement's Table 2", box=box.SIMPLE_HEAD
        )
        for number, name in enumerate(names):
            table.add_column(name, justify="left" if number == 0 else "right", overflow="fold")
        for row in rows:
            table.add_row(*row)
        console.print(table)
    for line in summary.footer:
        say(console, line)


def write_markdown(summary: Summary, path: Path, title: str) -> None:
    """Write the summary as Markdown, whole or not at all. PerfError when the file cannot be written."""
    names, rows = table_of(summary.records)
    lines = [
        f"# {title}",
        "",
        *(f"- {line}" for line in summary.header),
        "",
        "| " + " | ".join(names) + " |",
        "| :-- |" + " --: |" * (len(names) - 1),
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
        *(f"- {line}" for line in summary.footer),
        "",
    ]
    try:
        write_whole(path, "\n".join(lines).encode())
    except OSError as error:
        raise PerfError(
            f"the summary could not be written: {error}", subject=str(path), next_step="name another file"
        ) from error


def table_of(records: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Column names and rows: subject, items a pass, the reference's latency, and for each other variant its speedup
    with the 95 % interval and the published speedup.
    """
    variants = sorted({r["variant"] for r in records if r["variant"] != r["reference"]})
    names = ["Network", "Batch", "native ms"]
    for variant in variants:
        names += [f"{variant}", "published"]
    by_workload: dict[str, dict[str, Mapping[str, Any]]] = {}
    for record in records:
        by_workload.setdefault(record["workload"], {})[record["variant"]] = record
    rows = []
    for found in by_workload.values():
        some = next(iter(found.values()))
        row = [some["subject"], str(some["items_per_pass"]), _milliseconds(found.get(some["reference"]))]
        for variant in variants:
            record = found.get(variant, {})
            row += [speedup_text(record), _number(record.get("published_speedup"))]
        rows.append(row)
    return names, rows


def speedup_text(record: Mapping[str, Any]) -> str:
    """A speedup with its interval, such as "7.30 [7.11, 7.50]"; "-" when there is none."""
    if record.get("speedup") is None:
        return "-"
    if record["speedup_low"] is None:
        return _number(record["speedup"])
    return f"{_number(record['speedup'])} [{_number(record['speedup_low'])}, {_number(record['speedup_high'])}]"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _milliseconds(record: Mapping[str, Any] | None) -> str:
    return f"{record['latency_s'] * 1e3:.2f}" if record else "-"
