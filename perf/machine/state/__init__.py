"""The machine's state around a measurement: what is set, what goes on, and what of it makes numbers doubtful."""

from perf.machine.state.checks import CHECKS
from perf.machine.state.judging import findings, settings
from perf.machine.state.model import Finding, State, Value, Verdict
from perf.machine.state.reading import read_state

__all__ = ["CHECKS", "Finding", "State", "Value", "Verdict", "findings", "read_state", "settings"]
