"""The tiers' efforts, from `tiers.toml`."""

import tomllib
from dataclasses import replace
from pathlib import Path

import msgspec

from perf.measure.plan import Effort

DATA = Path(__file__).with_name("tiers.toml")


def effort_of(tier: str, invocations: int | None = None) -> Effort:
    """How hard a tier measures, in `invocations` at least if given; KeyError for a tier that `tiers.toml` lacks."""
    effort = msgspec.convert(tomllib.loads(DATA.read_text())[tier], Effort)
    if invocations is None:
        return effort
    more = invocations - effort.min_invocations
    return replace(effort, min_invocations=invocations, max_invocations=effort.max_invocations + more)
