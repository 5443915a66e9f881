"""The limits of limits.toml."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


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
    return Limits(**tomllib.loads((files("perf.machine.state") / "limits.toml").read_text(encoding="utf-8")))
