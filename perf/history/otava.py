"""Export a history as CSV that Apache Otava reads (https://otava.apache.org/docs/csv)."""

import csv
import io
import math
from collections.abc import Sequence

from perf.history.series import Series

TIME, COMMIT = "time", "commit"


def otava_csv(every: Sequence[Series]) -> str:
    """Return a table with a row for each run, oldest first, and a column for each series: its ratio, which is better
    when higher; empty in runs that did not measure it.
    """
    rows: dict[tuple[str, str], dict[str, str]] = {}
    names = [column_of(series) for series in every]
    for series, name in zip(every, names, strict=True):
        for night in series.nights:
            key = (f"{night.ended:%Y-%m-%dT%H:%M:%S.%f%z}", night.header.run)
            row = rows.setdefault(key, {TIME: f"{night.ended:%Y-%m-%d %H:%M:%S %z}", COMMIT: night.header.commit or ""})
            row[name] = f"{math.exp(night.line.log_ratio):.6f}"
    text = io.StringIO()
    writer = csv.DictWriter(text, [TIME, COMMIT, *names], restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(row for _, row in sorted(rows.items()))
    return text.getvalue()


def column_of(series: Series) -> str:
    """Return the column of a series, such as "resnet50_v1-b1-mkl-int8/native-fp32"."""
    return f"{series.case}/{series.over}"
