"""What a ladder is measured with: the machine, its builds, and how hard."""

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from perf.builds import Build, cached_build, provision
from perf.builds.data import group_requirements, role_named
from perf.errors import PerfError
from perf.ladder.cells import Builds
from perf.ladder.data import LadderTier, Rung, ladder_data
from perf.machine import (
    Machine,
    Placement,
    find_numactl,
    place_instances,
    read_host_id,
    read_machine,
    read_state,
    read_topology,
    settings,
)
from perf.measure.forecast import SIDE_BY_SIDE_BUDGET, START_S
from perf.measure.stacks import measuring_code
from perf.measure.tiers import Effort
from perf.wording import counted

MKL, NATIVE = "mkl", "native"
# No invocation of a cell takes less than this many seconds.
SHORTEST_INVOCATION_S = 1.0


@dataclass(frozen=True)
class Place:
    """Where a ladder is measured: the `machine`, its `settings`, and the `placements` of instances."""

    machine: Machine
    settings: Mapping[str, Any]
    placements: tuple[Placement, ...]


def read_place() -> Place:
    """Return this machine with the suite's default placements. Raises PerfError when none is possible."""
    topology = read_topology()
    placements = place_instances(topology, numactl=find_numactl(topology))
    return Place(read_machine(topology=topology), settings(read_state()), placements)


def conditions_of(place: Place, tier: LadderTier) -> dict[str, Any]:
    """Return what two commands must agree in to measure one ladder: the machine and its settings, the workloads, the
    length of slots, and the code that times them. They may choose other releases and workloads, and another time.
    """
    workloads = msgspec.json.encode([ladder_data().operators, replace(tier.effort, workload_budget_s=0.0)])
    return {
        "host": read_host_id(),
        "machine class": place.machine.machine_class,
        "cpu": place.machine.cpu_version,
        **{f"setting {name}": value for name, value in place.settings.items()},
        "workloads and effort": sha256(workloads).hexdigest()[:12],
        "measuring": measuring_code(),
    }


def effort_for(tier: LadderTier, minutes: float, cells: int) -> Effort:
    """Return how hard to measure each of `cells`, so that all of them take this many minutes.

    Raises PerfError when the time is too short for the fewest invocations, or no number.
    """
    effort = tier.effort
    each_s = START_S + SIDE_BY_SIDE_BUDGET * effort.block_budget_s
    least_min = math.ceil(cells * effort.min_invocations * each_s / 60)
    if not math.isfinite(minutes):
        raise PerfError(f"{minutes:g} is no time", subject="--minutes", next_step="give a number of minutes")
    if minutes * 60 < cells * effort.min_invocations * each_s:
        message = f"{counted(cells, 'cell')} take {least_min} min at least; {minutes:g} min are too few"
        step = f"give --minutes {least_min} or more, or choose workloads with --only, or releases with --from and --to"
        raise PerfError(message, subject="--minutes", next_step=step)
    budget_s = minutes * 60 / max(1, cells)
    most = max(effort.max_invocations, math.ceil(budget_s / SHORTEST_INVOCATION_S))
    return replace(effort, workload_budget_s=budget_s, max_invocations=most)


def installed(rungs: Sequence[Rung], cache: Path, say: Callable[[str], None]) -> tuple[Builds, Build]:
    """Return the builds of a ladder, and `zoo`, which prepares networks. For a release that cannot be installed, there
    is the error instead, which is also reported.

    Raises PerfError when the anchor, the control or `zoo` cannot be installed.
    """
    data = ladder_data()
    needed = {(NATIVE, data.control), (MKL, data.anchor), ("zoo", None), *((MKL, rung.requirement) for rung in rungs)}
    how: dict[str, Any] = {"cache": cache, "say": say}

    def reused(key: tuple[str, str | None]) -> Build | None:
        return cached_build(key[0], override=_override(*key), **how)

    with ThreadPoolExecutor() as pool:  # each is imported, to check it, which takes a second
        cached = dict(zip(needed, pool.map(reused, needed), strict=True))

    def made(role: str, requirement: str | None) -> Build:
        build = cached[role, requirement]
        return build if build is not None else provision(role, override=_override(role, requirement), **how)

    releases: dict[str, Build | PerfError] = {}
    for rung in rungs:
        try:
            releases[rung.release] = made(MKL, rung.requirement)
        except PerfError as error:
            say(str(error))
            releases[rung.release] = error
    return Builds(made(NATIVE, data.control), made(MKL, data.anchor), releases), made("zoo", None)


def _override(role: str, requirement: str | None) -> str | None:
    """The requirement, or None for the one that uv.lock holds."""
    locked, _ = group_requirements(role_named(role).group)
    return None if requirement == locked else requirement
