"""The summary at the end of a run: for each family a table like the announcement's, with the published figures."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import msgspec
from rich.console import Console

from perf.checks import CheckResult
from perf.columns import NONE, Column, Label, cell, marked
from perf.facts import CnnFacts
from perf.files import read_toml
from perf.judge.projection import Projection
from perf.report.console import say
from perf.report.tables import TextTable, rendered
from perf.report.training import projections
from perf.runs.record import CaseRecord
from perf.runs.schema import FEW

DATA = Path(__file__).with_name("tables.toml")
# The marks of cells (perf.runs.record.RatioEstimate.text), explained below the tables.
MARKED = f"?: measured in fewer than {FEW} undisturbed invocations, or in disturbed blocks only."
TYPICAL = "~: the typical value over all blocks, shown if it lies outside the interval of the fastest slots before it."


class Layout(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A family's table, from `tables.toml`: its `title`, and what a pass processes (`items`), such as "images"."""

    title: str
    items: str


@dataclass(frozen=True)
class Summary:
    """What the end of a run shows: the `records` of its cases, the results of its checks of `answers`, and the lines
    above (`header`) and below (`footer`) the tables. `published_scaling` is the announcement's scaling efficiency, a
    fraction by number of instances.
    """

    records: Sequence[CaseRecord]
    answers: Sequence[CheckResult]
    header: Sequence[str]
    footer: Sequence[str]
    published_scaling: Mapping[int, float] = field(default_factory=dict)


@cache
def layouts() -> Mapping[str, Layout]:
    """Return the layouts of all families."""
    return read_toml(DATA, dict[str, Layout])


def print_summary(summary: Summary, console: Console) -> None:
    """Print the tables of the summary. On a console of 60 columns or more, nothing is cut."""
    for line in summary.header:
        say(console, line)
    for table in tables_of(summary):
        console.print(rendered(table))
    for line in footer_of(summary):
        say(console, line)


def footer_of(summary: Summary) -> list[str]:
    """Return the lines below the tables: what the marks mean, answers that were not judged, and the summary's own."""
    ratios = [record.ratio for record in summary.records if record.ratio]
    uncertain = any(ratio.uncertain for ratio in ratios)
    typical = any(ratio.shown_typical is not None for ratio in ratios)
    return [
        *([MARKED] if uncertain else []),
        *([TYPICAL] if typical else []),
        *(f"The answers of {name} were not judged: {why}." for name, why in _unjudged(summary.records)),
        *summary.footer,
    ]


def _unjudged(records: Sequence[CaseRecord]) -> Iterator[tuple[str, str]]:
    """Yield the cases whose answers were not judged, and why."""
    for record in records:
        if isinstance(record.facts, CnnFacts) and record.facts.check.unjudged:
            yield record.name, record.facts.check.unjudged


def tables_of(summary: Summary) -> list[TextTable]:
    """Return the tables of all families, the projection of training, and the checks of answers."""
    tables = family_tables(summary.records)
    projected = _projection(summary)
    answers = [answers_table(summary.answers)] if summary.answers else []
    return [*tables, *([projected] if projected.rows else []), *answers]


def answers_table(answers: Sequence[CheckResult]) -> TextTable:
    """Return a table of checks of answers."""
    rows = [[a.check, a.subject, a.observed, a.allowed or "-", a.verdict] for a in answers]
    return TextTable("Checks of answers", ["Check", "Subject", "Observed", "Allowed", "Verdict"], rows, figures=False)


def family_tables(records: Sequence[CaseRecord]) -> list[TextTable]:
    """Return a table for each family: the labels of a workload, the figures of the reference, those of each other
    variant.
    """
    families: dict[str, list[CaseRecord]] = {}
    for record in records:
        families.setdefault(record.family, []).append(record)
    return [_table(of_family, layouts()[family]) for family, of_family in families.items()]


def _projection(summary: Summary) -> TextTable:
    """Return the projected efficiency of training on more hosts, with the announcement's Table 1 for comparison."""
    instances = list(summary.published_scaling)
    rows = [
        [trained, link, *(f"{100 * efficiency[n]:.1f} %" for n in instances), _checked(projection)]
        for trained, projection in projections(summary.records, instances).items()
        for link, efficiency in projection.efficiency.items()
    ]
    if rows:
        percents = [f"{100 * efficiency:.1f} %" for efficiency in summary.published_scaling.values()]
        rows.append(["announcement's Table 1", "", *percents, ""])
    names = ["Training", "Link", *(f"{n} instances" for n in instances), "Measured / predicted"]
    title = "PROJECTION, not measured: scaling efficiency of training (docs/explanation/projection.md)"
    return TextTable(title, names, rows)


def _checked(projection: Projection) -> str:
    checks = [
        f"{100 * measured:.1f} % / {100 * predicted:.1f} % ({100 * (predicted - measured):+.1f} points) on {where}"
        for where, (measured, predicted) in projection.checks.items()
    ]
    return "; ".join(checks) or "-"


def _table(records: Sequence[CaseRecord], layout: Layout) -> TextTable:
    reference = records[0].reference
    variants = [reference, *sorted({record.variant for record in records} - {reference})]
    workloads: dict[str, dict[str, CaseRecord]] = {}
    for record in records:
        workloads.setdefault(record.workload, {})[record.variant] = record
    labels = [label.heading for label, _ in marked(records[0], Label)]
    columns = [(variant, column) for variant in variants for column in _columns(records, variant)]
    headings = [column.heading.format(variant=variant, items=layout.items) for variant, column in columns]
    rows = []
    for by_variant in workloads.values():
        names = [str(value) for _, value in marked(next(iter(by_variant.values())), Label)]
        figures = {variant: dict(marked(record, Column)) for variant, record in by_variant.items()}
        rows.append([*names, *(cell(figures[v].get(c), c) if v in figures else NONE for v, c in columns)])
    places = [*(0 for _ in labels), *(column.place for _, column in columns)]
    return TextTable(layout.title, [*labels, *headings], rows, places=places)


def _columns(records: Sequence[CaseRecord], variant: str) -> list[Column]:
    """Return the columns of a variant in its family's table, in order."""
    family, reference = records[0].family, records[0].reference
    columns = dict.fromkeys(
        column
        for record in records
        for column, value in marked(record, Column)
        if family in (column.reference if variant == reference else column.variants)
        and (not column.optional or (record.variant == variant and value is not None))
    )
    return sorted(columns, key=lambda column: column.place)
