"""The limits of limits.toml."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from perf.files import read_toml

DATA = Path(__file__).with_name("limits.toml")


@dataclass(frozen=True)
class Limits:
    """Shares (1 is all of it), and for `pace_slowdown` a factor, above which a reading is doubtful; limits.toml says
    what of.
    """

    cpu_pressure: float
    load_per_cpu: float
    steal: float
    frequency_spread: float
    pace_slowdown: float


@cache
def limits() -> Limits:
    """Return the limits that ship with the suite."""
    return read_toml(DATA, Limits)
