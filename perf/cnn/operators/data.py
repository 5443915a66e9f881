"""How many random cases each tier runs, and the cases that are kept, from `operators.toml`."""

from functools import cache
from pathlib import Path

import msgspec

from perf.cnn.operators.kinds import AnyCase
from perf.files import read_toml

DATA = Path(__file__).with_name("operators.toml")


class OperatorsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`cases`: by tier, or "slice", how many random cases of each kind; `slice_defects`: the defects whose examples the
    slice tries; `examples`: cases that were found once and are always run.
    """

    cases: dict[str, dict[str, int]]
    slice_defects: list[str]
    examples: list[AnyCase]


@cache
def load() -> OperatorsFile:
    """All of it, read once."""
    return read_toml(DATA, OperatorsFile)
