"""Divide a run into shards of about equal time: whole subjects, since their cases are measured together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from perf.errors import PerfError
from perf.files import read_json
from perf.measure.family import Case, workload_of
from perf.measure.plan import WorkloadKey
from perf.measure.tiers import Effort

# Arithmetic rate of the plain build, in GFLOP/s, that the time of a workload is estimated with where none was measured:
# half of its peak on two cores (class intel-xeon-6.207-2c-1n-amx). Only the ratios between subjects matter.
ASSUMED_GFLOP_PER_S = 40.0
# Seconds for starting the processes of an invocation, loading and warming up, from the ledgers of the stored runs.
START_S = 3.0
# Seconds for a check of answers: what most of them take.
CHECK_S = 10.0
# More machines than a night has subjects.
MOST_SHARDS = 99

# No session takes more seconds, or has more passes, invocations or instances: a file with more is damaged.
MOST = 1e9

UnitT = TypeVar("UnitT")


class _Facts(msgspec.Struct, frozen=True):
    family: str
    subject: str
    workload: str
    instances: int
    invocations: int
    latency_s: float
    warm_up_passes: tuple[int, ...]


class _Statistics(msgspec.Struct, frozen=True):
    total: float


class _Case(msgspec.Struct, frozen=True):
    extra_info: _Facts
    stats: _Statistics


class _Context(msgspec.Struct, frozen=True):
    tier: str


class _Run(msgspec.Struct, frozen=True):
    perf: _Context
    benchmarks: tuple[_Case, ...]


@dataclass(frozen=True)
class Times:
    """How long workloads take: `measured_s` holds the seconds of those in the stored run `source`; "" for none."""

    measured_s: Mapping[WorkloadKey, float]
    source: str = ""

    @property
    def text(self) -> str:
        """What shards are balanced by, after "balanced by"."""
        return f"the time measured in {self.source}" if self.source else "an estimate from the operations of a pass"


def measured_times(path: Path | None, tier: str) -> Times:
    """Return the times that a stored run tells; none when there is no such file, it cannot be read, its figures are
    impossible, or another tier was run: the same file decides the same on every machine.
    """
    try:
        run = read_json(path, _Run) if path else None
    except PerfError:
        run = None
    if path is None or run is None or run.perf.tier != tier:
        return Times({})
    seconds: dict[WorkloadKey, float] = {}
    starts: dict[WorkloadKey, float] = {}
    for case in run.benchmarks:
        facts = case.extra_info
        figures = (facts.instances, facts.invocations, facts.latency_s, sum(facts.warm_up_passes), case.stats.total)
        if not all(0 <= figure < MOST for figure in figures):
            return Times({})
        key = WorkloadKey(facts.family, facts.subject, facts.workload)
        passes_s = case.stats.total / max(1, facts.instances) + facts.latency_s * sum(facts.warm_up_passes)
        seconds[key] = seconds.get(key, 0.0) + passes_s
        starts[key] = max(starts.get(key, 0.0), START_S * facts.invocations)
    return Times({key: spent_s + starts[key] for key, spent_s in seconds.items()}, path.name)


def seconds_of(case: Case, times: Times, effort: Effort) -> float:
    """Return roughly how long a case's workload takes, in seconds: as measured, else the tier's budget for a workload,
    or more where even its fewest passes take longer.
    """
    measured_s = times.measured_s.get(workload_of(case))
    if measured_s is not None:
        return measured_s
    fewest = effort.min_invocations * effort.min_blocks
    return max(effort.workload_budget_s, fewest * case.weight / ASSUMED_GFLOP_PER_S)


def divided(seconds: Mapping[UnitT, float], shards: int) -> dict[UnitT, int]:
    """Return the shard of each unit, from 1 to `shards`: the longest unit first, each into the shard with least so far
    (Graham, 1969: at most 4/3 of the shortest possible time). Neither the order of the units nor the machine matters.
    """
    load_s = [0.0] * shards
    placed: dict[UnitT, int] = {}
    for unit in sorted(seconds, key=lambda unit: (-seconds[unit], str(unit))):
        shard = min(range(shards), key=lambda number: (load_s[number], number))
        load_s[shard] += seconds[unit]
        placed[unit] = shard + 1
    return placed


def subject_seconds(cases: Sequence[Case], times: Times, effort: Effort) -> dict[tuple[str, str], float]:
    """Return how long each subject takes, in seconds, by family and subject: the sum over its workloads."""
    workloads = {workload_of(case): seconds_of(case, times, effort) for case in cases}
    seconds: dict[tuple[str, str], float] = {}
    for key, spent_s in workloads.items():
        unit = (key.family, key.subject)
        seconds[unit] = seconds.get(unit, 0.0) + spent_s
    return seconds
