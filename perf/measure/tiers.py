"""The tiers' efforts, from `tiers.toml`."""

from dataclasses import dataclass, replace
from pathlib import Path

from perf.files import read_toml

DATA = Path(__file__).with_name("tiers.toml")


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How hard to measure; a tier's share of `tiers.toml`. Times in seconds, precision as half a relative interval.
    `peak_size`: rows of the matrices by which the machine's own limit is measured; None: it is not.
    """

    min_invocations: int
    max_invocations: int
    confirm_invocations: int
    confirm_budget_s: float
    min_blocks: int
    max_blocks: int
    slot_s: float
    slot_passes: int
    warm_up_s: float
    precision: float
    block_budget_s: float
    workload_budget_s: float
    max_lost_share: float
    peak_size: int | None = None


def effort_of(tier: str, invocations: int | None = None) -> Effort:
    """How hard a tier measures, in `invocations` at least if given; KeyError for a tier that `tiers.toml` lacks."""
    effort = read_toml(DATA, dict[str, Effort])[tier]
    if invocations is None:
        return effort
    more = invocations - effort.min_invocations
    return replace(effort, min_invocations=invocations, max_invocations=effort.max_invocations + more)
