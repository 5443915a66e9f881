"""The end of a run: measured speedups beside the published ones, a table for each family like the announcement's."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table

from perf.checks import CheckResult
from perf.columns import NONE, Column, Label, cell, marked
from perf.errors import PerfError
from perf.facts import CnnFacts
from perf.files import read_toml, write_whole
from perf.report.console import say
from perf.report.training import Projected, projections
from perf.runs.record import CaseRecord
from perf.runs.schema import FEW

DATA = Path(__file__).with_name("tables.toml")
MARKED = f"?: from fewer than {FEW} undisturbed invocations, or from disturbed blocks."
TYPICAL = "~: the speedup in the middle of all blocks, where it differs from that of the fastest slots before it."


class Layout(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A family's table, from `tables.toml`."""

    title: str
    items: str


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
    """What a run's end shows: the records of its cases, what checks of answers found, and lines to stand
    above and below them; `published_scaling` is the announcement's efficiency of training, by instances.
    """

    records: Sequence[CaseRecord]
    answers: Sequence[CheckResult]
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
    ratios = [record.ratio for record in summary.records if record.ratio]
    uncertain = any(ratio.uncertain for ratio in ratios)
    typical = any(ratio.shown_typical is not None for ratio in ratios)
    return [
        *([MARKED] if uncertain else []),
        *([TYPICAL] if typical else []),
        *(f"Answers not judged: {name}: {why}." for name, why in _unjudged(summary.records)),
        *summary.footer,
    ]


def _unjudged(records: Sequence[CaseRecord]) -> Iterator[tuple[str, str]]:
    """The cases whose answers were not judged, and why."""
    for record in records:
        if isinstance(record.facts, CnnFacts) and record.facts.check.unjudged:
            yield record.name, record.facts.check.unjudged


def tables_of(summary: Summary) -> list[Rows]:
    """A table for each family: what names a workload, the reference's figures, and those of each other variant; and one
    for answers.
    """
    families: dict[str, list[CaseRecord]] = {}
    for record in summary.records:
        families.setdefault(record.family, []).append(record)
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
    return Rows("PROJECTION, not measured: training efficiency (docs/explanation/projection.md says how)", names, rows)


def _checked(found: Projected) -> str:
    checks = [
        f"{100 * measured:.1f} % / {100 * predicted:.1f} % ({100 * (predicted - measured):+.1f} points) on {where}"
        for where, (measured, predicted) in found.checks.items()
    ]
    return "; ".join(checks) or "-"


def _table(records: Sequence[CaseRecord], layout: Layout) -> Rows:
    reference = records[0].reference
    variants = [reference, *sorted({record.variant for record in records} - {reference})]
    workloads: dict[str, dict[str, CaseRecord]] = {}
    for record in records:
        workloads.setdefault(record.workload, {})[record.variant] = record
    labels = [label.heading for label, _ in marked(records[0], Label)]
    columns = [(variant, column) for variant in variants for column in _columns(records, variant)]
    headings = [column.heading.format(variant=variant, items=layout.items) for variant, column in columns]
    rows = []
    for found in workloads.values():
        names = [str(value) for _, value in marked(next(iter(found.values())), Label)]
        figures = {variant: dict(marked(record, Column)) for variant, record in found.items()}
        rows.append([*names, *(cell(figures[v].get(c), c) if v in figures else NONE for v, c in columns)])
    return Rows(layout.title, [*labels, *headings], rows)


def _columns(records: Sequence[CaseRecord], variant: str) -> list[Column]:
    """The columns of a variant in its family's table, in order."""
    family, reference = records[0].family, records[0].reference
    columns = dict.fromkeys(
        column
        for record in records
        for column, value in marked(record, Column)
        if family in (column.reference if variant == reference else column.others)
        and (not column.optional or (record.variant == variant and value is not None))
    )
    return sorted(columns, key=lambda column: column.place)
