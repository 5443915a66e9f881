"""The machine's state around a measurement: its settings, its load, and what of these makes figures doubtful."""

from perf.machine.state.checks import CHECKS, read_state
from perf.machine.state.findings import findings, reasons_not_to_measure, settings
from perf.machine.state.model import Finding, Severity, State, Value

__all__ = [
    "CHECKS",
    "Finding",
    "Severity",
    "State",
    "Value",
    "findings",
    "read_state",
    "reasons_not_to_measure",
    "settings",
]
