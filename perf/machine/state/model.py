"""The data of machine checks: a state, a check and a finding."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from perf.files import read_toml
from perf.machine.state.source import Source

DATA = Path(__file__).with_name("checks.toml")

# A raw reading; None when the kernel does not provide it, or it cannot be parsed.
Value = str | int | float | None

Severity = Literal["fine", "doubtful", "unknown"]
Kind = Literal["setting", "moment", "counter"]


class Assessment(NamedTuple):
    """What a reading means.

    reading: the reading with units.
    advice: what to do about it; None when it is fine.
    """

    reading: str
    advice: str | None = None


class StateChange(NamedTuple):
    """The growth of a counter between two states.

    amount: by how much it grew.
    window_ns: the time between the states in ns, above 0.
    """

    amount: float
    window_ns: int


class Description(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A check in `checks.toml`.

    kind: "setting" lasts until somebody changes it, "moment" changes all the time, "counter" matters by its growth.
    explanation: how it affects a measurement.
    absent: why a machine may not provide its reading.
    threshold: the value above which a reading is doubtful; None when another rule applies.
    spoils: whether a doubtful reading is a reason not to measure at all.
    """

    kind: Kind
    explanation: str
    absent: str
    threshold: float | None = None
    spoils: bool = False


@dataclass(frozen=True)
class Check:
    """One property of the machine that may affect a measurement.

    name: its name in reports and stored runs, and in `checks.toml`.
    read: returns the raw reading, None for what is absent or malformed; never raises.
    assess: assesses what `read` returned, never None; for a counter, a `StateChange`.
    """

    name: str
    read: Callable[[Source], Value]
    assess: Callable[[Any], Assessment]

    @property
    def description(self) -> Description:
        """Return its entry in `checks.toml`."""
        return _descriptions()[self.name]


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    check: the check's name.
    reading: the reading with units; None when absent, the verdict is then "unknown".
    verdict: whether it makes figures doubtful.
    explanation: how it affects a measurement, or why it is unknown.
    advice: what to do when it is doubtful; else None.
    """

    check: str
    reading: str | None
    verdict: Severity
    explanation: str
    advice: str | None


@dataclass(frozen=True)
class State:
    """All checks at one moment.

    values: each check's raw value, by its name.
    time_ns: the moment, in ns of CLOCK_MONOTONIC.
    """

    values: Mapping[str, Value]
    time_ns: int


@cache
def _descriptions() -> Mapping[str, Description]:
    return read_toml(DATA, dict[str, Description])


def explanation_of(name: str) -> str:
    """Return how the check's reading affects a measurement."""
    return _descriptions()[name].explanation


def spoils(name: str) -> bool:
    """Return whether a doubtful reading of the check is a reason not to measure at all."""
    return _descriptions()[name].spoils


def exceeds(name: str, reading: float) -> bool:
    """Return whether a reading is above the check's threshold. Raises TypeError for a check without one."""
    threshold = _descriptions()[name].threshold
    if threshold is None:
        raise TypeError(f"the check {name} has no threshold in {DATA}")
    return reading > threshold
