"""The end of a run: measured speedups beside the published ones, a table for each family like the announcement's."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table

from perf.errors import PerfError
from perf.files import read_toml, write_whole
from perf.report.answers import Answer
from perf.report.console import say
from perf.report.training import Projected, projections

DATA = Path(__file__).with_name("tables.toml")
# A speedup from fewer undisturbed invocations is marked.
FEW = 3
MARKED = f"?: from fewer than {FEW} undisturbed invocations, or from disturbed blocks."
TYPICAL = "~: the speedup in the middle of all blocks, where it differs from that of the fastest slots before it."
Record = Mapping[str, Any]
Figure = Literal[
    "latency", "throughput", "rate", "speedup", "published", "efficiency", "published_efficiency", "communication"
]


class Layout(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A family's table, from `tables.toml`."""

    title: str
    items: str
    labels: dict[str, str]
    reference: list[Figure]
    others: list[Figure]


@dataclass(frozen=True)
class Rows:
    """A table as text: its title, the names of its columns, and its rows; `figures` stand right-justified after the
    first column.
    """

    title: str
    names: Sequence[str]
    rows: Sequence[Sequence[str]]
    figures: bool = True


@dataclass(frozen=True)
class Summary:
    """What a run's end shows: the records of its cases (`extra_info`), what checks of answers found, and lines to stand
    above and below them; `published_scaling` is the announcement's efficiency of training, by instances.
    """

    records: Sequence[Record]
    answers: Sequence[Answer]
    header: Sequence[str]
    footer: Sequence[str]
    published_scaling: Mapping[int, float] = field(default_factory=dict)


@cache
def layouts() -> Mapping[str, Layout]:
    """The layouts of all families, read once."""
    return read_toml(DATA, dict[str, Layout])


def print_summary(summary: Summary, console: Console) -> None:
    """Print the summary's tables; nothing of them is cut on a console of 60 columns or more."""
    for line in summary.header:
        say(console, line)
    for found in tables_of(summary):
        table = Table(title=found.title, box=box.SIMPLE_HEAD)
        for number, name in enumerate(found.names):
            # Units on a line of their own: figures are narrower than what names them.
            table.add_column(
                name.replace(" ", "\n", 1), justify="right" if found.figures and number else "left", overflow="fold"
            )
        for row in found.rows:
            table.add_row(*row)
        console.print(table)
    for line in _footer(summary):
        say(console, line)


def write_markdown(summary: Summary, path: Path, title: str) -> None:
    """Write the summary as Markdown, whole or not at all. PerfError when the file cannot be written."""
    lines = [f"# {title}", "", *(f"- {line}" for line in summary.header), ""]
    for found in tables_of(summary):
        lines += [
            f"## {found.title}",
            "",
            "| " + " | ".join(found.names) + " |",
            "| :-- |" + (" --: |" if found.figures else " :-- |") * (len(found.names) - 1),
            *("| " + " | ".join(row) + " |" for row in found.rows),
            "",
        ]
    lines += [*(f"- {line}" for line in _footer(summary)), ""]
    try:
        write_whole(path, "\n".join(lines).encode())
    except OSError as error:
        raise PerfError(
            f"the summary could not be written: {error}", subject=str(path), next_step="name another file"
        ) from error


def _footer(summary: Summary) -> list[str]:
    """The lines below the tables, with what the mark means where there is one."""
    marked = any(record.get("speedup") is not None and _mark(record) for record in summary.records)
    typical = any(record.get("speedup") is not None and _typical(record) is not None for record in summary.records)
    return [*([MARKED] if marked else []), *([TYPICAL] if typical else []), *summary.footer]


def tables_of(summary: Summary) -> list[Rows]:
    """A table for each family: what names a workload, the reference's figures, and those of each other variant; and one
    for answers.
    """
    families: dict[str, list[Record]] = {}
    for record in summary.records:
        families.setdefault(record["family"], []).append(record)
    tables = [_table(found, layouts()[family]) for family, found in families.items()]
    rows = [[a.check, a.subject, a.found, a.allowed or "-", a.verdict] for a in summary.answers]
    answers = Rows("Right answers", ["Check", "Of", "Found", "Allowed", "Verdict"], rows, figures=False)
    projected = _projection(summary)
    return [*tables, *([projected] if projected.rows else []), *([answers] if rows else [])]


def _projection(summary: Summary) -> Rows:
    """Training on more hosts than there are, as a model predicts it, beside the announcement's Table 1."""
    instances = list(summary.published_scaling)
    rows = [
        [trained, link, *(f"{100 * rates[n]:.1f} %" for n in instances), _checked(found)]
        for found in projections(summary.records, instances)
        for trained, link, rates in ((found.trained, link, rates) for link, rates in found.efficiency.items())
    ]
    if rows:
        shares = [f"{100 * share:.1f} %" for share in summary.published_scaling.values()]
        rows.append(["announcement's Table 1", "", *shares, ""])
    names = ["Trained", "Link", *(f"{n} instances" for n in instances), "Measured / predicted"]
    return Rows("PROJECTION, not measured: training efficiency (docs/training.md says how)", names, rows)


def _checked(found: Projected) -> str:
    checks = [
        f"{100 * measured:.1f} % / {100 * predicted:.1f} % ({100 * (predicted - measured):+.1f} points) on {where}"
        for where, (measured, predicted) in found.checks.items()
    ]
    return "; ".join(checks) or "-"


def _table(records: Sequence[Record], layout: Layout) -> Rows:
    reference = records[0]["reference"]
    variants = [reference, *sorted({record["variant"] for record in records} - {reference})]
    columns = [
        (variant, figure) for variant in variants for figure in (layout.others, layout.reference)[variant == reference]
    ]
    headings: dict[Figure, str] = {
        "latency": "{} ms",
        "throughput": f"{{}} {layout.items}/s",
        "rate": "{} GFLOP/s",
        "speedup": "{}",
        "published": "published",
        "efficiency": "{}",
        "published_efficiency": "published",
        "communication": "{} communication",
    }
    names = [*layout.labels, *(headings[figure].format(variant) for variant, figure in columns)]
    workloads: dict[str, dict[str, Record]] = {}
    for record in records:
        workloads.setdefault(record["workload"], {})[record["variant"]] = record
    rows = []
    for found in workloads.values():
        some = next(iter(found.values()))
        labels = [str(some[field]) for field in layout.labels.values()]
        rows.append([*labels, *(_TEXTS[figure](found.get(variant, {})) for variant, figure in columns)])
    return Rows(layout.title, names, rows)


def speedup_text(record: Record) -> str:
    """A speedup with its interval, such as "7.30 [7.11, 7.50]"; "-" when there is none."""
    if record.get("speedup") is None:
        return "-"
    mark = _mark(record)
    if record["speedup_low"] is None:
        return _number(record["speedup"]) + mark
    interval = f"[{_number(record['speedup_low'])}, {_number(record['speedup_high'])}]"
    typical = _typical(record)
    middle = "" if typical is None else f" ~{_number(typical)}"
    return f"{_number(record['speedup'])} {interval}{middle}{mark}"


def _typical(record: Record) -> float | None:
    """The speedup in the middle of all blocks, where it lies outside of the interval of the undisturbed one."""
    typical, low, high = (record[name] for name in ("speedup_typical", "speedup_low", "speedup_high"))
    return None if low is None or low <= typical <= high else float(typical)


def _mark(record: Record) -> str:
    """What marks a figure that rests on disturbed blocks, or on fewer undisturbed invocations than `FEW`."""
    return " ?" if record["speedup_disturbed"] or record["speedup_invocations"] < FEW else ""


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _percent(record: Record, field: str, *interval: str) -> str:
    """A share in percent, with its interval when there is one, such as "93.3 % [89.6, 97.2]"; "-" for none."""
    if record.get(field) is None:
        return "-"
    bounds = [f"{100 * record[name]:.1f}" for name in interval if record[name] is not None]
    text = f"{100 * record[field]:.1f} %" + (f" [{', '.join(bounds)}]" if bounds else "")
    if not interval:
        return text
    typical = _typical(record)
    return text + ("" if typical is None else f" ~{100 * typical:.1f}") + _mark(record)


def _milliseconds(record: Record) -> str:
    return _number(record["latency_s"] * 1e3 if record else None)


_TEXTS: Mapping[Figure, Callable[[Record], str]] = {
    "latency": _milliseconds,
    "throughput": lambda record: _number(record.get("throughput_items_per_s")),
    "rate": lambda record: _number(record.get("gflop_per_s")),
    "speedup": speedup_text,
    "published": lambda record: _number(record.get("published_speedup")),
    "efficiency": lambda record: _percent(record, "speedup", "speedup_low", "speedup_high"),
    "published_efficiency": lambda record: _percent(record, "published_speedup"),
    "communication": lambda record: _percent(record, "communication_share"),
}
