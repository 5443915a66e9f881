"""The tiers' efforts, from `tiers.toml`."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from perf.files import read_toml

DATA = Path(__file__).with_name("tiers.toml")


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How hard to measure: one tier of `tiers.toml`, which explains how these work together.

    min_invocations: the least number of invocations of a workload.
    max_invocations: the greatest number of invocations of a workload.
    confirm_invocations: how many invocations each confirmation adds.
    confirm_budget_s: wall time for all confirmations.
    min_blocks: the least number of blocks in an invocation.
    max_blocks: the greatest number of blocks in an invocation.
    slot_s: the shortest duration of a slot.
    slot_passes: the least number of passes in a slot.
    warm_up_s: the longest duration of a warm-up.
    precision: half the relative width of a speedup's interval at which a workload is precise enough.
    block_budget_s: wall time for the blocks of an invocation.
    workload_budget_s: wall time for all invocations of a workload.
    max_lost_share: the fraction of a slot's time that other programs may take before it is disturbed.
    peak_size: rows of the square matrices with which the machine's peak is measured; None: it is not measured.
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


@cache
def _efforts() -> Mapping[str, Effort]:
    return read_toml(DATA, dict[str, Effort])


def effort_of(tier: str, invocations: int | None = None) -> Effort:
    """Return how hard a tier measures, with at least this number of `invocations`.

    Raises KeyError for a tier that is not in `tiers.toml`.
    """
    effort = _efforts()[tier]
    if invocations is None:
        return effort
    more = invocations - effort.min_invocations
    return replace(effort, min_invocations=invocations, max_invocations=effort.max_invocations + more)
