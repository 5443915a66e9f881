"""The roofline: how fast a pass could be at best on this machine, from its operations and the bytes it must move. Pure.

Williams, Waterman, Patterson, Roofline: an insightful visual performance model, CACM 52 (4), 2009.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from perf.columns import Column
from perf.limits.result import MARGIN, KernelLimit, MachineLimits

Arithmetic = Literal["fp32", "int8"]
FAMILIES = ("cnn", "rnn")


class Bound(msgspec.Struct, frozen=True):
    """The shortest latency that the machine's limits allow a case."""

    arithmetic_s: Annotated[float, Meta(description="seconds that its operations take at the machine's peak")]
    memory_s: Annotated[
        float, Meta(description="seconds that its bytes take which do not fit into the caches; 0 if all fit")
    ]
    fraction: Annotated[
        float,
        Meta(description="fraction of the bound that it reached: the larger of the two over its latency"),
        Column(
            heading="{variant} of limit", place=6, reference=FAMILIES, variants=FAMILIES, percent=True, optional=True
        ),
    ]
    fastest_fraction: Annotated[float, Meta(description="the same for its fastest slot; more than 1.03 cannot be")]

    @property
    def limited_by(self) -> str:
        """Which of the two is larger."""
        return "memory" if self.memory_s > self.arithmetic_s else "arithmetic"


def arithmetic_of(variant: str) -> Arithmetic:
    """Return in what a variant such as "mkl-int8" computes its convolutions and products: FP32, unless it says INT8."""
    return "int8" if variant.endswith("-int8") else "fp32"


def peak_of(limits: MachineLimits, variant: str, *, mxnet_150: bool = True) -> KernelLimit | None:
    """Return the peak of a variant's arithmetic; None if it is unknown. `mxnet_150`: whether its release has no more
    kernels than MXNet 1.5.0, which uses neither AMX nor AVX-VNNI.
    """
    if arithmetic_of(variant) == "fp32":
        return limits.fp32
    return limits.int8 if mxnet_150 else limits.int8_unused or limits.int8


def bound_of(
    limits: MachineLimits,
    variant: str,
    *,
    flops: float,
    moved_bytes: float,
    instances: int,
    latency_s: float,
    fastest_s: float,
    mxnet_150: bool = True,
) -> Bound | None:
    """Return the bound of a case whose instances, all at once, each do `flops` operations and move `moved_bytes` bytes
    in a pass; None if a limit is unknown. Latencies are those of a pass, in seconds.
    `mxnet_150` is as in `peak_of`.

    What fits into the caches can stay there from pass to pass, and only the rest must move: caches of C
    bytes spare at most C of all bytes. Where the caches' size is unknown, no bytes are sure to move.
    """
    peak, memory = peak_of(limits, variant, mxnet_150=mxnet_150), limits.memory
    if peak is None or memory is None:
        return None
    arithmetic_s = instances * flops / (peak.rate * 1e9)
    cache = limits.cache_bytes
    memory_s = max(0.0, instances * moved_bytes - cache) / (memory.rate * 1e9) if cache is not None else 0.0
    bound_s = max(arithmetic_s, memory_s)
    return Bound(arithmetic_s, memory_s, bound_s / latency_s, bound_s / fastest_s)


def excess(name: str, bound: Bound | None) -> str | None:
    """Return what is wrong when a case is faster than its bound allows; None otherwise."""
    if bound is None or bound.fastest_fraction <= 1 + MARGIN:
        return None
    return (
        f"{name} exceeds the machine's limit of {bound.limited_by} by {100 * (bound.fastest_fraction - 1):.0f} %: the "
        "limits of this run are too low, because the clock was lower or other programs ran while they were probed "
        "(mxperf limits)"
    )
