"""CSV holds every text and number exactly, and nothing that a spreadsheet would run."""

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as changed

from perf.report.exports.spreadsheet import csv_files, csv_of, marked, unmarked
from perf.report.exports.tables import Table, tables_of
from perf.runs.session.slots import InvocationSlots
from perf.runs.verdict import RatioRecord, VerdictRecord
from tests.unit.report.exports.exported import FIGURES, HOSTILE, TEXTS, run_of, stored_run
from tests.unit.report.records import FP32, NATIVE

FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def parsed(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


def rows_of(files: dict[str, bytes], name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(files[f"{name}.csv"].decode(), newline=""), strict=True))


@given(st.lists(st.lists(TEXTS, min_size=2, max_size=2), max_size=4))
def test_every_text_survives_and_none_is_a_formula(texts: list[list[str]]) -> None:
    table = Table("made", {"a": "", "b": ""}, [dict(zip("ab", row, strict=True)) for row in texts])
    header, *rows = parsed(csv_of(table))
    assert header == ["a", "b"]
    assert [[unmarked(cell) for cell in row] for row in rows] == texts
    assert not [cell for row in rows for cell in row if cell.lstrip(" \u00a0").startswith(FORMULAS)]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_one_text(name: str) -> None:
    files = csv_files(run_of(changed(FP32, workload=name), left_out={name: name}))
    (case,) = rows_of(files, "cnn")
    assert unmarked(case["workload"]) == name
    assert unmarked(case["case"]) == f"{name}-mkl-fp32"
    (left_out,) = rows_of(files, "not-run")
    assert [unmarked(left_out[column]) for column in ("item", "reason")] == [name, name]


@given(st.lists(FIGURES | st.integers(), min_size=1))
def test_numbers_are_exact(numbers: list[Any]) -> None:
    rows = parsed(csv_of(Table("made", {"a": ""}, [{"a": number} for number in numbers])))[1:]
    assert [type(number)(cell) for number, (cell,) in zip(numbers, rows, strict=True)] == numbers


@given(TEXTS)
def test_a_mark_can_be_taken_off(text: str) -> None:
    assert unmarked(marked(text)) == text


def test_lines_end_as_rfc_4180_says() -> None:
    assert csv_of(Table("made", {"a": "", "b": ""}, [{"a": 1.5, "b": True}])) == '"a","b"\r\n1.5,"true"\r\n'


def test_a_stored_run_has_a_row_for_each_case_with_its_figures_in_full() -> None:
    run = stored_run()
    files = csv_files(run)
    rows = [row for family in ("cnn", "rnn", "dist") for row in rows_of(files, family)]
    assert len(rows) == len(run.records) > 20
    by_name = {row["case"]: row for row in rows}
    for record in run.records:
        row = by_name[record.name]
        assert float(row["latency_s"]) == record.latency_s
        assert row["speedup.low"] == (repr(record.speedup.low) if record.speedup else "")
    samples = [sample for record in run.records for sample in record.samples.values()]
    assert len(rows_of(files, "samples")) == sum(len(sample.floors) for sample in samples)


def test_each_run_has_the_same_files_and_columns() -> None:
    headers = [
        {name: content.split(b"\r\n")[0] for name, content in csv_files(run).items()}
        for run in (run_of(NATIVE), run_of(), stored_run())
    ]
    assert headers[0] == headers[1] == headers[2]


def test_every_column_is_explained() -> None:
    *tables, columns = tables_of(run_of())
    explained = {(row["table"], row["column"]): row["meaning"] for row in columns.rows}
    assert list(explained) == [(table.name, column) for table in tables for column in table.columns]
    assert all(explained.values())
    assert all(set(row) <= set(table.columns) for table in tables for row in table.rows)


def test_judged_ratios_have_rows_with_their_intervals() -> None:
    ratio = RatioRecord(0.93, 0.9, 0.96, reference="native-fp32", kind="regressed", reason="slower", now=4.1, then=4.4)
    verdict = VerdictRecord(
        kind="regressed",
        reason="slower",
        latency_ratio=None,
        changes=(),
        missing=(),
        smallest_loss=0.04,
        side_by_side=None,
        ratios=(ratio,),
    )
    files = csv_files(run_of(changed(FP32, verdict=verdict)))
    (row,) = rows_of(files, "ratios")
    assert row["case"] == FP32.name
    assert (row["kind"], row["change"], row["change_low"], row["now"]) == ("regressed", "0.93", "0.9", "4.1")
    (case,) = rows_of(files, "cnn")
    assert (case["verdict.kind"], case["verdict.smallest_loss"]) == ("regressed", "0.04")
    assert rows_of(csv_files(run_of()), "projection"), "training on one and two ranks is projected"


def test_every_slot_has_a_row_with_its_place_and_whether_it_counts() -> None:
    calm = InvocationSlots(False, False, 4.5, [2], {"mkl-fp32": [0.01, 0.02], "native-fp32": [0.1, None]})
    loud = InvocationSlots(True, True, 6.0, [], {"mkl-fp32": [0.03]})
    rows = rows_of(csv_files(run_of(changed(FP32, slots=(calm, loud)))), "slots")
    columns = ("invocation", "confirmation", "block", "variant", "latency_s", "disturbed")
    assert [tuple(row[column] for column in columns) for row in rows] == [
        ("1", "false", "1", "mkl-fp32", "0.01", "false"),
        ("1", "false", "2", "mkl-fp32", "0.02", "true"),
        ("1", "false", "1", "native-fp32", "0.1", "false"),
        ("2", "true", "1", "mkl-fp32", "0.03", "true"),
    ]
    assert rows_of(csv_files(stored_run()), "slots") == []


def test_what_has_a_table_of_its_own_is_no_column_of_the_cases() -> None:
    cases = [table for table in tables_of(run_of()) if table.name in {"cnn", "rnn", "dist"}]
    assert len(cases) == 3
    assert not [
        column for table in cases for column in table.columns if {"beside", "samples", "slots"} & {*column.split(".")}
    ]
