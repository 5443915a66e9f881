"""The announcement's tables, which stand in `baselines/published` as CSV."""

import csv
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "baselines" / "published"


def published_rows(table: str) -> list[dict[str, str]]:
    """The rows of a table such as "table2-cnn", by the names of its columns."""
    with (FOLDER / f"{table}.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))
