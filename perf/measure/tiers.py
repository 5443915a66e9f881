"""The tiers' efforts, from `tiers.toml`."""

import tomllib
from pathlib import Path

import msgspec

from perf.measure.plan import Effort

DATA = Path(__file__).with_name("tiers.toml")


def effort_of(tier: str) -> Effort:
    """How hard a tier measures; KeyError for a tier that `tiers.toml` does not hold."""
    return msgspec.convert(tomllib.loads(DATA.read_text())[tier], Effort)
