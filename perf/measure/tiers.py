"""The tiers' efforts, from `tiers.toml`."""

from dataclasses import replace
from pathlib import Path

from perf.files import read_toml
from perf.measure.plan import Effort

DATA = Path(__file__).with_name("tiers.toml")


def effort_of(tier: str, invocations: int | None = None) -> Effort:
    """How hard a tier measures, in `invocations` at least if given; KeyError for a tier that `tiers.toml` lacks."""
    effort = read_toml(DATA, dict[str, Effort])[tier]
    if invocations is None:
        return effort
    more = invocations - effort.min_invocations
    return replace(effort, min_invocations=invocations, max_invocations=effort.max_invocations + more)
