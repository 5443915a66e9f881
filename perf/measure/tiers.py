"""The tiers' efforts, from `tiers.toml`."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from perf.files import read_toml

DATA = Path(__file__).with_name("tiers.toml")


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How hard to measure: one tier of `tiers.toml`, which explains how these work together."""

    min_invocations: Annotated[int, Meta(description="fewest sets of fresh processes for each workload")]
    max_invocations: Annotated[int, Meta(description="most sets of fresh processes for each workload")]
    confirm_invocations: Annotated[int, Meta(description="sets that are added at a time to an undecided case")]
    confirm_budget_s: Annotated[float, Meta(description="seconds for confirming all undecided cases")]
    min_blocks: Annotated[int, Meta(description="fewest blocks of an invocation; each variant has a slot in a block")]
    max_blocks: Annotated[int, Meta(description="most blocks of an invocation")]
    slot_s: Annotated[float, Meta(description="shortest slot, in seconds")]
    slot_passes: Annotated[int, Meta(description="fewest passes of a slot; of several instances at least two")]
    warm_up_s: Annotated[float, Meta(description="shortest warm-up of a process, in seconds")]
    precision: Annotated[
        float, Meta(description="half the relative width of a speedup's interval at which measuring stops")
    ]
    block_budget_s: Annotated[float, Meta(description="seconds for the blocks of an invocation")]
    workload_budget_s: Annotated[float, Meta(description="seconds for the invocations of a workload")]
    max_lost_share: Annotated[
        float, Meta(description="largest fraction of a slot that other programs may take without disturbing it")
    ]
    peak_size: Annotated[
        int | None,
        Meta(
            description="rows of the matrices that show what each build's BLAS reaches; none: neither that nor the "
            "machine's limits are measured"
        ),
    ] = None


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
