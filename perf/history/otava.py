"""Export a history for Apache Otava: a CSV file for each series, and the configuration that names them.

Otava's CSV importer accepts no empty cells, and not every run measures every case: so each series has its own file.
"""

import csv
import io
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from perf.history.series import Series

# The configuration: JSON, which is YAML too.
CONFIGURATION = "otava.yaml"
TIME, COMMIT, RATIO = "time", "commit", "ratio"
_NOT_IN_NAMES = re.compile(r"[^\w.+-]+", re.ASCII)


def otava_files(every: Sequence[Series], folder: Path) -> dict[Path, bytes]:
    """Return the content of each file of an export into a folder: a test with one metric for each series."""
    files: dict[Path, bytes] = {}
    tests: dict[str, Any] = {}
    for number, series in enumerate(every, 1):
        name = test_name(series)
        path = folder / f"{number:03}-{_NOT_IN_NAMES.sub('_', name)[:100]}.csv"
        files[path] = _csv(series).encode()
        tests[name] = {
            "type": "csv",
            "file": str(path.absolute()),
            "time_column": TIME,
            "attributes": [COMMIT],
            "metrics": {RATIO: {"direction": 1}},
        }
    files[folder / CONFIGURATION] = msgspec.json.format(msgspec.json.encode({"tests": tests})) + b"\n"
    return files


def test_name(series: Series) -> str:
    """Return the name of Otava's test for a series, such as "resnet50_v1-b1-mkl-int8.native-fp32"."""
    return f"{series.case}.{series.over}"


def _csv(series: Series) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((TIME, COMMIT, RATIO))
    for night in series.nights:
        ended, ratio = night.ended.isoformat(timespec="seconds"), math.exp(night.line.log_ratio)
        writer.writerow((ended, night.header.commit or "", f"{ratio:.6f}"))
    return text.getvalue()
