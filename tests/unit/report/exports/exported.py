"""Runs to export, and names that do harm where they are taken for more than text."""

from typing import Any

import msgspec
from hypothesis import strategies as st

from perf.runs.baseline import BASELINES
from perf.runs.record import CaseRecord
from perf.runs.schema import Statistics
from perf.runs.session.run import MeasuredCase, MeasuredContext, MeasuredRun, read_measured
from tests.support.factories import document
from tests.unit.report.records import RECORDS, RECURRENT, ratio, trained

HOSTILE = [
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "  =1+1",
    "+1",
    "-1",
    "@SUM(1)",
    "\t=1",
    "\uff1d1",
    "'quoted",
    "a\"b'c,d;e",
    "line\nbreak\r\nand\rmore",
    "back\\slash\\n",
    "| a | `b` |",
    "right\u202eto\u2066left",
    "",
]
TEXTS = st.text() | st.sampled_from(HOSTILE)
FIGURES = st.floats(allow_nan=False, allow_infinity=False)
TRAINED = [trained(1), trained(2, ratio(0.93))]
# A run with complete records, from the repository.
STORED = BASELINES / "intel-xeon-6.207-2c-1n-amx" / "0006_quick-6.json"


def run_of(*records: CaseRecord, **context: Any) -> MeasuredRun:
    """Return a run with these records, by default of every family; `context` replaces fields of its own part."""
    head = document(**context)
    cases = [
        MeasuredCase(f"test[{record.name}]", record, Statistics(0.1, 0.2, 0.3))
        for record in records or (*RECORDS, *RECURRENT, *TRAINED)
    ]
    return MeasuredRun(head["datetime"], msgspec.convert(head["perf"], MeasuredContext), cases)


def stored_run() -> MeasuredRun:
    return read_measured(STORED)
