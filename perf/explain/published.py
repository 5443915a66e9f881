"""Why a speedup is what it is beside the announcement's: the same case with one thing replaced at a time."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from perf.builds import Build, provision
from perf.builds.data import load
from perf.cnn.family import CnnCase, table2
from perf.dist.family import TrainingCase
from perf.errors import PerfError
from perf.explain.substitutions import Row
from perf.judge.speedup import estimate_speedup, observe
from perf.limits.probe import probe
from perf.limits.result import MachineLimits
from perf.limits.roofline import peak_of
from perf.machine import (
    Numactl,
    Placement,
    Topology,
    find_numactl,
    free_bytes,
    place_instances,
    shortage,
    this_cpu_has,
)
from perf.measure.engine import Conditions, Show, measure
from perf.measure.family import SLOT_WEIGHT, Case, Resources
from perf.measure.journal import Journal
from perf.measure.ledger import Ledger
from perf.measure.outcome import SMALLER
from perf.measure.plan import Plan, Variant, WorkloadKey
from perf.measure.results import WorkloadResult
from perf.measure.tiers import Effort
from perf.rnn.family import RnnCase, table3
from perf.wording import counted

# The kernels that the OpenBLAS of MXNet 1.5.0 has for the announcement's CPUs (docs/explanation/native-blas.md).
KERNELS = "Haswell"
# 10^9 operations in a pass for each core, at most, of a batch that is measured besides the case's own: a pass of native
# then takes about two seconds.
MOST_GFLOP_A_CORE = 18.0
# The variant of the plan that replaces the reference's kernels.
REPLACED = "native-fp32-kernels"


class Setting(NamedTuple):
    """Where and at which batches a case is measured.

    name: what is replaced; "" in the setting that the rest is compared with.
    placements: where its instances run.
    cases: the case, and the same at other batches.
    """

    name: str
    placements: tuple[Placement, ...]
    cases: Sequence[Case]


def published_speedup(case: Case) -> float:
    """Return the announcement's speedup of a case. Raises PerfError when it has none."""
    # That of training is an efficiency.
    published = None if isinstance(case, TrainingCase) else case.family.published(case)
    if published is None:
        known = [other.id for other in published_cases(case)][:5]
        step = f"name one of {', '.join(known)}" if known else "name a case of its tables 2 and 3 (baselines/published)"
        raise PerfError("the announcement has no speedup of this case", subject=case.id, next_step=step)
    return published


def published_cases(case: Case) -> list[Case]:
    """Return the cases of the announcement that differ from a case in their batch only, in ascending order."""
    cases: list[Case] = []
    if isinstance(case, CnnCase):
        own = (case.network, case.variant)
        cases = [replace(case, batch=batch) for network, batch, variant in table2() if (network, variant) == own]
    elif isinstance(case, RnnCase):
        own_sizes = (case.shape[1:], case.layers)
        cases = [replace(case, shape=shape) for shape, layers in table3() if (shape[1:], layers) == own_sizes]
    return sorted((other for other in cases if case.family.published(other)), key=lambda other: other.weight)


def gflop_of(case: Case) -> float:
    """Return 10^9 operations of a pass."""
    return case.weight - SLOT_WEIGHT


def settings_of(case: Case, topology: Topology, numactl: Numactl) -> list[Setting]:
    """Return the settings in which a case is measured: this machine's own, at the case's batch and at the largest
    published one that does not take too long; one thread; and one thread on every core at once, which share caches and
    memory. What would be the same as an earlier one is left out.
    """
    most = MOST_GFLOP_A_CORE * topology.physical_cores / len(topology.nodes)
    larger = [other for other in published_cases(case) if gflop_of(other) <= most and other.id != case.id]
    settings = [Setting("", place_instances(topology, numactl=numactl), [case, *larger[-1:]])]
    one = place_instances(topology, threads=1, numactl=numactl)
    every = place_instances(topology, instances=topology.physical_cores, threads=1, numactl=numactl)
    for name, placements in (
        ("1 thread", one),
        (f"{counted(len(every), 'instance')} of 1 thread", every),
    ):
        if placements not in [setting.placements for setting in settings]:
            settings.append(Setting(name, placements, [case]))
    return settings


def with_replaced_kernels(plan: Plan[Any], native: Build | None) -> Plan[Any]:
    """Return a plan with a variant that runs the reference's program in `native`, the same build with other kernels."""
    if native is None:
        return plan
    reference = next(variant for variant in plan.variants if variant.name == plan.reference)
    return replace(plan, variants=(*plan.variants, Variant(REPLACED, native, reference.program, (plan.reference,))))


def native_with_kernels(native: Build, cache: Path, say: Callable[[str], None]) -> Build | None:
    """Return the native build with the kernels that it used for the announcement; None where it chooses them, or
    cannot run them. Raises PerfError as `provision` does.
    """
    if native.blas_kernels is None or native.blas_kernels in load().avx2_kernels or not this_cpu_has("avx2"):
        return None
    return provision(native.role, override=None, cache=cache, say=say, blas_kernels=KERNELS)


def rows_of(
    case: Case, topology: Topology, resources: Resources, effort: Effort, show: Show, say: Callable[[str], None]
) -> list[Row]:
    """Measure a case in all settings, one after the other, and return the rows of the table. A later setting for which
    too little memory is free is reported instead.

    Raises PerfError when the case cannot be prepared or needs more memory than is free, or when a variant of it fails.
    """
    native = native_with_kernels(resources.build("native"), resources.cache, say)
    rows: list[Row] = []
    for setting in settings_of(case, topology, find_numactl(topology)):
        of_setting = replace(resources, placements=setting.placements)
        plan = with_replaced_kernels(case.family.plan(case.subject, setting.cases, of_setting), native)
        if case.variant in plan.unavailable:
            raise PerfError(plan.unavailable[case.variant], subject=case.id, next_step="explain another variant of it")
        if short := shortage(max(case.family.memory_bytes(plan, of_setting).values()), free_bytes()):
            if not rows:
                raise PerfError(short, subject=case.id, next_step=SMALLER)
            say(f"Not measured: {setting.name}, which {short}.")
            continue
        limits = probe(setting.placements)
        results = _measured(plan, of_setting, effort, show)
        for one in setting.cases:
            workload = next(workload for workload in plan.workloads if workload.name == one.workload)
            replaced = [setting.name] if one.id == case.id else [setting.name, f"batch {_batch(one)}"]
            rows += _rows(one, replaced, setting, plan, results[plan.key_of(workload)], limits)
    return rows


def _measured(plan: Plan[Any], resources: Resources, effort: Effort, show: Show) -> dict[WorkloadKey, WorkloadResult]:
    with (
        tempfile.TemporaryDirectory(dir=resources.scratch) as folder,
        closing(Journal(Path(folder, "journal"), {})) as journal,
    ):
        conditions = Conditions(
            placements=resources.placements,
            effort=effort,
            timeout_s=resources.timeout_s,
            scratch=Path(folder),
            journal=journal,
        )
        return measure([plan], {}, conditions, show, Ledger())


def _rows(
    case: Case,
    replaced: Sequence[str],
    setting: Setting,
    plan: Plan[Any],
    result: WorkloadResult,
    limits: MachineLimits,
) -> Iterator[Row]:
    """Yield a row for each build of the reference that was measured together with the case."""
    for name, failure in result.failures.items():
        step = "read the last lines above, and measure the case with pytest"
        raise PerfError(f"{name} failed {failure.what}\n{failure.last_lines}".strip(), subject=case.id, next_step=step)
    for reference in (variant for variant in plan.variants if variant.name in {plan.reference, REPLACED}):
        floors = result.floors(reference.name, case.variant)
        fastest = [min(times) for times in zip(*floors, strict=True)]
        kernels = f"OpenBLAS kernels {reference.build.blas_kernels}" if reference.name == REPLACED else ""
        yield Row(
            replaced=", ".join(part for part in (*replaced, kernels) if part),
            native_ms=fastest[0] * 1e3,
            own_ms=fastest[1] * 1e3,
            speedup=estimate_speedup(observe(floors)),
            published=published_speedup(case),
            native_of_limit=_of_limit(case, plan.reference, setting, limits, fastest[0]),
            own_of_limit=_of_limit(case, case.variant, setting, limits, fastest[1]),
        )


def _batch(case: Case) -> int:
    """Return the number of images or sequences in a pass; 0 for any other case."""
    return case.batch if isinstance(case, CnnCase) else case.shape[0] if isinstance(case, RnnCase) else 0


def _of_limit(case: Case, variant: str, setting: Setting, limits: MachineLimits, latency_s: float) -> float | None:
    """Return the part of the peak of the variant's arithmetic that its instances reach together."""
    peak = peak_of(limits, variant)
    return len(setting.placements) * gflop_of(case) / latency_s / peak.rate if peak else None
