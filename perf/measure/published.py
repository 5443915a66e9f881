"""The announcement's tables, which stand in `baselines/published` as CSV."""

import csv
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "baselines" / "published"


def published_scaling() -> dict[int, float]:
    """Table 1: the efficiency of training as a share, by instances, of two and more."""
    rows = published_rows("table1-scaling")
    return {int(row["instances"]): float(row["scaling_percent"]) / 100 for row in rows if int(row["instances"]) > 1}


def published_rows(table: str) -> list[dict[str, str]]:
    """The rows of a table such as "table2-cnn", by the names of its columns."""
    with (FOLDER / f"{table}.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))
