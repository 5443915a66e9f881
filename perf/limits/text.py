"""The limits in sentences, for summaries and `mxperf limits`."""

from collections.abc import Mapping

from perf.limits.result import KernelLimit, MachineLimits
from perf.limits.roofline import Bound, excess

# How each kind of limit is called, and its unit.
NAMES: Mapping[str, str] = {"fp32": "FP32", "int8": "INT8", "read": "memory, reading", "copy": "memory, copying"}
UNITS: Mapping[str, str] = {"fp32": "GFLOP/s", "int8": "GOP/s", "read": "GB/s", "copy": "GB/s"}


def rate_text(limit: KernelLimit) -> str:
    """Return a rate with its unit: "195 GFLOP/s"."""
    return f"{limit.rate:.0f} {UNITS[limit.kind]}"


def peak_text(limit: KernelLimit) -> str:
    """Return how close a kernel came to its theoretical peak: "98 % of 198, at 3.09 GHz"; "-" if that is unknown."""
    clock = f"at {limit.clock_ghz:.2f} GHz" if limit.clock_ghz else ""
    if limit.fraction is None:
        return clock or "-"
    return f"{100 * limit.fraction:.0f} % of {limit.theoretical:.0f}, {clock}"


def limit_lines(limits: MachineLimits) -> list[str]:
    """Return the limits in a few lines: the best of each kind, what MXNet 1.5.0 does not use, and the doubts."""
    parts = [
        f"{NAMES[kind]} {rate_text(best)}{f' ({peak_text(best)})' if best.theoretical else ''}"
        for kind in ("fp32", "int8", "read", "copy")
        if (best := limits.best(kind))
    ]
    cores = f"{limits.cores} {'core' if limits.cores == 1 else 'cores'}"
    lines = [f"Limits by probe, {cores}{f' of {limits.core_name}' if limits.core_name else ''}: {'; '.join(parts)}."]
    if limits.int8_unused:
        lines.append(
            f"INT8 with {limits.int8_unused.kernel}, which MXNet 1.5.0 cannot use: {rate_text(limits.int8_unused)}."
        )
    return [*(lines if parts else []), *(f"Limits: {problem}." for problem in limits.problems)]


def blas_lines(
    limits: MachineLimits | None, peaks: Mapping[str, float], blas: Mapping[str, str], size: int
) -> list[str]:
    """Return what each build's BLAS reaches in products of FP32 matrices with `size` rows, a line for each build: its
    rate (`peaks`, in GFLOP/s) and what it is (`blas`), both by role.
    """
    fp32 = limits.fp32 if limits else None
    fractions = {
        role: f", {100 * rate / fp32.rate:.0f} % of the limit," if fp32 else "" for role, rate in peaks.items()
    }
    return [
        f"The BLAS of {role} reaches {rate:.0f} GFLOP/s{fractions[role]} in a {size} x {size} FP32 matrix product: "
        f"{blas[role]}."
        for role, rate in peaks.items()
    ]


def excess_lines(bounds: Mapping[str, Bound | None]) -> list[str]:
    """Return the cases, by name, that were faster than the limits of their run allow, a line each."""
    return [f"{problem}." for name, bound in bounds.items() if (problem := excess(name, bound))]
