"""The announcement's tables, read from the CSV files in `baselines/published`."""

import csv
from functools import cache
from pathlib import Path
from typing import TypeVar

import msgspec

from perf.errors import PerfError
from perf.files import CORRECT, ROOT, UNREADABLE, read_text, read_toml

FOLDER = ROOT / "baselines" / "published"
DATA = FOLDER / "published.toml"
RowT = TypeVar("RowT")


class _Published(msgspec.Struct, frozen=True):
    """The content of `published.toml`: the machine classes that the tables hold for."""

    machine_classes: tuple[str, ...]


class ScalingRow(msgspec.Struct, frozen=True):
    """A row of Table 1: the scaling efficiency in percent (`scaling_percent`) on a number of `instances`."""

    instances: int
    scaling_percent: float


@cache
def published_classes() -> tuple[str, ...]:
    """Return the machine classes that the announcement's tables hold for."""
    return read_toml(DATA, _Published).machine_classes


def published_scaling() -> dict[int, float]:
    """Return Table 1: the scaling efficiency of training, as a fraction, by number of instances above one."""
    rows = published_rows("table1-scaling", ScalingRow)
    return {row.instances: row.scaling_percent / 100 for row in rows if row.instances > 1}


def published_rows(table: str, kind: type[RowT], folder: Path = FOLDER) -> list[RowT]:
    """Return the rows of a table such as "table2-cnn"; its columns are named like the fields of `kind`. Raises
    PerfError, naming the file, when it is damaged.
    """
    path = folder / f"{table}.csv"
    rows = csv.DictReader(read_text(path).splitlines(), strict=True)
    try:
        return [msgspec.convert(row, kind, strict=False) for row in rows]
    except (csv.Error, *UNREADABLE) as error:
        raise PerfError(f"is damaged: {error}", subject=str(path), next_step=CORRECT) from error
