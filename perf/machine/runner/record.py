"""The values that settings had before `mxperf runner apply` changed them."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from perf.errors import PerfError
from perf.files import read_json, write_whole

# Of this machine, and kept over a restart.
RECORD = Path("/var/lib/mxnet-perf/runner.json")
STEP = "restore the file, or set the values by hand and delete it"


class Previous(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one target of a setting was: its `setting` in `settings.toml`, the `target`, such as a file, and its
    `value`.
    """

    setting: str
    target: str
    value: str


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of the file: the `values` in the order in which they were changed."""

    values: tuple[Previous, ...] = ()


def read_record(path: Path) -> Record | None:
    """Return the record in a file; None when there is none. Raises PerfError, naming the file, when it is damaged."""
    try:
        path.lstat()
    except FileNotFoundError:
        return None
    except OSError:
        pass  # reading it says why
    return read_json(path, Record, next_step=STEP)


def extend_record(path: Path, values: Sequence[Previous]) -> None:
    """Add the values of targets that the record does not hold yet: what was recorded first stays. The file is written
    whole, and only when it changes. Raises PerfError when it cannot be written.
    """
    recorded = (read_record(path) or Record()).values
    merged: dict[tuple[str, str], Previous] = {}
    for previous in (*recorded, *values):
        merged.setdefault((previous.setting, previous.target), previous)
    if len(merged) > len(recorded):
        write_record(path, Record(tuple(merged.values())))


def write_record(path: Path, record: Record) -> None:
    """Write a record, whole; an empty one deletes the file. Raises PerfError when that fails."""
    try:
        if record.values:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, msgspec.json.format(msgspec.json.encode(record)) + b"\n")
        else:
            path.unlink()
    except OSError as error:
        message = f"the previous values cannot be recorded: {error.strerror}"
        raise PerfError(message, subject=str(path), next_step="name another file with --record") from error
