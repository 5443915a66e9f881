"""The settings of a machine that does nothing but measure: shown, set, and restored."""

from perf.machine.runner.apply import Outcome, apply, planned_apply, planned_revert, revert
from perf.machine.runner.settings import ROOT, SettingState, read_settings

__all__ = ["ROOT", "Outcome", "SettingState", "apply", "planned_apply", "planned_revert", "read_settings", "revert"]
