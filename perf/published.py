"""The announcement's tables: CSV files in `baselines/published`."""

import csv
from functools import cache
from pathlib import Path
from typing import TypeVar

import msgspec

from perf.errors import PerfError
from perf.files import CORRECT, ROOT, read_text, read_toml

FOLDER = ROOT / "baselines" / "published"
DATA = FOLDER / "published.toml"

T = TypeVar("T")


class _PublishedFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of `published.toml`.

    machine_classes: the machine classes that the tables apply to.
    """

    machine_classes: tuple[str, ...]


class Scaling(msgspec.Struct, frozen=True):
    """A row of Table 1, scaling of training.

    instances: the number of instances.
    scaling_percent: the scaling efficiency in percent.
    """

    instances: int
    scaling_percent: float


@cache
def published_classes() -> tuple[str, ...]:
    """Return the machine classes that the announcement's tables apply to."""
    return read_toml(DATA, _PublishedFile).machine_classes


def published_scaling() -> dict[int, float]:
    """Return Table 1: the scaling efficiency of training as a fraction, by number of instances from two on."""
    rows = published_rows("table1-scaling", Scaling)
    return {row.instances: row.scaling_percent / 100 for row in rows if row.instances > 1}


def published_rows(table: str, kind: type[T], folder: Path = FOLDER) -> list[T]:
    """Return the rows of a table such as "table2-cnn": each a `kind`, whose fields are named like the columns.

    Raises PerfError, naming the file, when it cannot be read or is damaged.
    """
    path = folder / f"{table}.csv"
    rows = csv.DictReader(read_text(path).splitlines(), strict=True)
    try:
        return [msgspec.convert(row, kind, strict=False) for row in rows]
    except (csv.Error, msgspec.ValidationError) as error:
        raise PerfError(f"is damaged: {error}", subject=str(path), next_step=CORRECT) from error
