"""How fast each build multiplies large matrices, measured in the same run as everything else: what its BLAS reaches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from perf.builds import Build
from perf.judge.statistics import median
from perf.limits.probe import probe
from perf.limits.result import MachineLimits, best_of
from perf.machine import this_cpu_has
from perf.measure.engine import Conditions, Show, measure
from perf.measure.ledger import Ledger
from perf.measure.plan import Operator, Plan, Variant, Workload

# The family and the subject of the plan, which belongs to no case.
FAMILY = "machine"
SUBJECT = "matrix product"
# The vendor in whose CPUs MKL takes its fast path.
INTEL = "GenuineIntel"
# The fraction of the machine's limit below which a large matrix product is slow: good libraries reach 0.8 and more.
SLOW = 0.6


@dataclass(frozen=True)
class MachineRates:
    """How fast the machine computes.

    limits: what it can do; None when not measured.
    peaks_gflop_per_s: what each build's BLAS reaches in large matrix products, by role; empty when not measured.
    blas: the BLAS of each of these builds, and why it is slow where that is known, by role.
    """

    limits: MachineLimits | None = None
    peaks_gflop_per_s: Mapping[str, float] = field(default_factory=dict)
    blas: Mapping[str, str] = field(default_factory=dict)


def machine_rates(builds: Sequence[Build], peaks: Mapping[str, float], probes: Sequence[MachineLimits]) -> MachineRates:
    """Return the rates from the peaks of builds, by role, and from the probes of a session."""
    limits = best_of(probes)
    blas = {build.role: blas_text(build, peaks[build.role], limits) for build in builds if build.role in peaks}
    return MachineRates(limits, peaks, blas)


def probed(conditions: Conditions, ledger: Ledger) -> list[MachineLimits]:
    """Probe the machine's limits; return nothing in a tier that measures no peaks. A session probes before and after
    everything else, since the clock moves with the host's load. Raises PerfError as `probe` does.
    """
    if conditions.effort.peak_size is None:
        return []
    with ledger.stage("probing limits"):
        return [probe(conditions.placements)]


def measure_peaks(builds: Sequence[Build], conditions: Conditions, show: Show, ledger: Ledger) -> dict[str, float]:
    """Return the GFLOP/s of each build, by its role, in products of square FP32 matrices with `peak_size` rows, on all
    instances at once and pinned like everything else. A build that fails is left out.

    A fully-connected layer without a bias is the product that each build computes in its best way: with its BLAS, or
    with MKL-DNN if it has that.
    """
    size = conditions.effort.peak_size
    if size is None or not builds:
        return {}
    plan = plan_of(builds, size)
    effort = replace(conditions.effort, min_invocations=1, max_invocations=1)
    results = measure([plan], {}, replace(conditions, effort=effort), show, ledger)
    result = results[plan.key_of(plan.workloads[0])]
    slots = {build.role: [s for slots in result.blocks_of(build.role) for s in slots] for build in builds}
    return {
        role: gflop_per_s(flops_of(size), median([s.latency_ns for s in of_role]) / 1e9, len(conditions.placements))
        for role, of_role in slots.items()
        if of_role
    }


def plan_of(builds: Sequence[Build], size: int) -> Plan[Any]:
    """Return the plan that multiplies two matrices (size, size) with each build; the first build is its reference."""
    program = Operator("FullyConnected", {"num_hidden": size, "no_bias": True, "flatten": False}, ("data", "weight"))
    reference = builds[0].role
    variants = [Variant(b.role, b, program, over=() if b.role == reference else (reference,)) for b in builds]
    shapes = {"data": (size, size), "weight": (size, size)}
    workload = Workload(f"{SUBJECT} {size}", shapes, size, weight=1.0)
    return Plan(SUBJECT, tuple(variants), (workload,), reference, family=FAMILY)


def flops_of(size: int) -> int:
    """Return the operations in a product of two square matrices: size^3 multiplications and the same number of
    additions.
    """
    return 2 * size**3


def gflop_per_s(flops: float, latency_s: float, instances: int) -> float:
    """Return the GFLOP/s of all instances together, where each does `flops` in `latency_s` seconds."""
    return instances * flops / latency_s / 1e9


def blas_text(build: Build, rate: float, limits: MachineLimits | None) -> str:
    """Return what a build multiplies matrices with and, if its `rate` in GFLOP/s is far below the machine's limit, the
    reason where it is known: "libmklml_intel.so, whose MKL takes a slow path on a CPU that is not Intel's".
    """
    library = build.libraries.get("BLAS", "an unknown BLAS")
    if build.blas_kernels:
        library += f" with kernels for {build.blas_kernels}"
    if build.blas_without_avx2 and this_cpu_has("avx2"):
        return f"{library}, which does not recognise this CPU and uses no AVX2"
    slow = limits is not None and limits.fp32 is not None and rate < SLOW * limits.fp32.rate
    if slow and limits and limits.vendor not in {"", INTEL} and library.startswith("libmkl"):
        return f"{library}, whose MKL takes a slow path on a CPU that is not Intel's"
    return library
