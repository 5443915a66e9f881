"""What a state, a check and a finding are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from perf.files import read_toml
from perf.machine.state.source import Source

Value = str | int | float | None
"""A raw reading; None when the kernel does not tell it or tells what cannot be understood."""

Severity = Literal["fine", "doubtful", "unknown"]
Kind = Literal["setting", "moment", "counter"]


class Judged(NamedTuple):
    """A reading for people, with units, and what to do about it: None when it is fine."""

    reading: str
    advice: str | None = None


class StateChange(NamedTuple):
    """By how much a counter grew between two states, and the time between them in ns (above 0)."""

    amount: float
    window_ns: int


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing about the machine that may move a measurement.

    A "setting" lasts until somebody changes it, a "moment" is a reading that soon is another, and a "counter" tells
    only by its growth. `read` returns None for what is absent or garbled and never raises. `judge` gets what `read`
    returned, never None; a counter's gets a `StateChange`. `explanation` says what the reading does to a measurement,
    `absent` why a machine may not tell it.
    """

    name: str
    kind: Kind
    explanation: str
    absent: str
    read: Callable[[Source], Value]
    judge: Callable[[Any], Judged]


@dataclass(frozen=True)
class Finding:
    """What one check found: `reading` with units, None when absent (the verdict is then "unknown"); what it means;
    and, when it is doubtful, what to do.
    """

    check: str
    reading: str | None
    verdict: Severity
    explanation: str
    advice: str | None


@dataclass(frozen=True)
class State:
    """Every check's raw value at one moment, which is `time_ns` of CLOCK_MONOTONIC in ns."""

    values: Mapping[str, Value]
    time_ns: int


DATA = Path(__file__).with_name("limits.toml")


@dataclass(frozen=True)
class StateLimits:
    """Shares (1 is all of it), and for `pace_slowdown` a factor, above which a reading is doubtful; limits.toml says
    what of.
    """

    cpu_pressure: float
    load_per_cpu: float
    steal: float
    frequency_spread: float
    pace_slowdown: float


@cache
def state_limits() -> StateLimits:
    """Return the limits that ship with the suite."""
    return read_toml(DATA, StateLimits)
