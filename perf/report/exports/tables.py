"""The tables of a run, tidy: one row for each case, sample or ratio, every figure in full."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any

import msgspec

from perf.columns import FAMILIES
from perf.files import read_toml
from perf.published import published_scaling
from perf.report.exports.leaves import leaves_of
from perf.report.training import projections
from perf.runs.record import CaseRecord
from perf.runs.session.run import MeasuredRun

DATA = Path(__file__).with_name("tables.toml")
# A row by column.
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """A table: its `name`, the meanings of its `columns` by name, in order, and its `rows`."""

    name: str
    columns: Mapping[str, str]
    rows: Sequence[Row]


def tables_of(run: MeasuredRun) -> list[Table]:
    """Return all tables of a run, the empty ones too; the last one explains the columns of the rest."""
    rows = {
        "samples": _samples(run.records),
        "slots": _slots(run.records),
        "side-by-side": _side_by_side(run.records),
        "ratios": _ratios(run.records),
        "projection": _projected(run.records),
        "projection-checks": _checked(run.records),
        "not-run": ({"item": item, "reason": reason} for item, reason in run.perf.left_out.items()),
    }
    tables = [_cases(run, family) for family in FAMILIES]
    tables += [Table(name, columns, list(rows[name])) for name, columns in _columns().items() if name in rows]
    meanings = [
        {"table": table.name, "column": column, "meaning": meaning}
        for table in tables
        for column, meaning in table.columns.items()
    ]
    return [*tables, Table("columns", _columns()["columns"], meanings)]


@cache
def _columns() -> Mapping[str, Mapping[str, str]]:
    return read_toml(DATA, dict[str, dict[str, str]])


def _cases(run: MeasuredRun, family: str) -> Table:
    """Return a row for each case of a family."""
    leaves = leaves_of(family)
    rows = []
    for record in run.records:
        if record.family == family:
            plain = msgspec.to_builtins(record)
            rows.append(
                {"case": record.name, "ended": run.datetime} | {leaf.name: leaf.value_in(plain) for leaf in leaves}
            )
    return Table(family, dict(_columns()["cases"]) | {leaf.name: leaf.meaning for leaf in leaves}, rows)


def _samples(records: Sequence[CaseRecord]) -> Iterator[Row]:
    for record in records:
        for reference, sample in record.samples.items():
            pairs = zip_longest(sample.floors, sample.typical)
            for number, (floors, typical) in enumerate(pairs, start=1):
                reference_s, case_s = floors or (None, None)
                yield {
                    "case": record.name,
                    "reference": reference,
                    "invocation": number,
                    "reference_fastest_s": reference_s,
                    "fastest_s": case_s,
                    "typical_log_ratio": typical,
                }


def _slots(records: Sequence[CaseRecord]) -> Iterator[Row]:
    for record in records:
        for number, one in enumerate(record.slots, start=1):
            for variant, latencies in one.latencies_s.items():
                for block, latency_s in enumerate(latencies, start=1):
                    if latency_s is not None:
                        yield {
                            "case": record.name,
                            "invocation": number,
                            "confirmation": one.confirmation,
                            "invocation_s": one.elapsed_s,
                            "block": block,
                            "variant": variant,
                            "latency_s": latency_s,
                            "disturbed": one.disturbed or block in one.disturbed_blocks,
                        }


def _side_by_side(records: Sequence[CaseRecord]) -> Iterator[Row]:
    for record in records:
        for number, value in enumerate(record.side_by_side.values if record.side_by_side else (), start=1):
            yield {"case": record.name, "invocation": number, "log_ratio": value}


def _ratios(records: Sequence[CaseRecord]) -> Iterator[Row]:
    for record in records:
        if record.verdict is not None:
            side_by_side = record.verdict.side_by_side
            if side_by_side is not None:
                plain = msgspec.to_builtins(side_by_side)
                yield {"case": record.name, "reference": "the baseline's stack, side by side"} | plain
            yield from ({"case": record.name} | msgspec.to_builtins(ratio) for ratio in record.verdict.ratios)


def _projected(records: Sequence[CaseRecord]) -> Iterator[Row]:
    for training, projection in projections(records, list(published_scaling())).items():
        for link, efficiencies in projection.efficiency.items():
            for instances, efficiency in efficiencies.items():
                yield {
                    "training": training,
                    "link": link,
                    "instances": instances,
                    "projected_efficiency": efficiency,
                    "published_efficiency": published_scaling()[instances],
                }


def _checked(records: Sequence[CaseRecord]) -> Iterator[Row]:
    for training, projection in projections(records, list(published_scaling())).items():
        for where, (measured, predicted) in projection.checks.items():
            yield {
                "training": training,
                "where": where,
                "measured_efficiency": measured,
                "predicted_efficiency": predicted,
            }
