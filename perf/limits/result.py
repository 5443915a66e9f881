"""What the machine can do, as it is stored with a run."""

from collections.abc import Collection, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from perf.limits.kernels import MEMORY, Kind

# No measured rate may exceed a limit by more than this fraction: variation of the clock between probe and case.
MARGIN = 0.03
# Below this fraction of the theoretical peak, something held the probe back.
EXPECTED_FRACTION = 0.85


class KernelLimit(msgspec.Struct, frozen=True):
    """What one kernel of the probe reached, on all instances at once."""

    kernel: Annotated[str, Meta(description="name of the kernel in perf/limits/kernels.toml")]
    kind: Annotated[Kind, Meta(description="fp32 or int8: arithmetic; read or copy: memory")]
    rate: Annotated[
        float, Meta(description="10^9 operations, or bytes moved, per second; two operations for each multiply-add")
    ]
    clock_ghz: Annotated[float | None, Meta(description="clock of the cores right after the kernel, in GHz")]
    theoretical: Annotated[
        float | None,
        Meta(description="the rate that follows from clock, cores and units; null for memory and unknown CPUs"),
    ]
    used_by_mxnet_150: Annotated[bool, Meta(description="whether MXNet 1.5.0 has kernels of this kind")] = True

    @property
    def fraction(self) -> float | None:
        """The fraction of the theoretical rate that it reached; None if that is unknown."""
        return self.rate / self.theoretical if self.theoretical else None


class MachineLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What the cores and the memory of all instances together can do, by probe."""

    kernels: Annotated[list[KernelLimit], Meta(description="what each kernel reached")] = []
    cores: Annotated[int, Meta(description="physical cores that the probe ran on")] = 0
    vendor: Annotated[str, Meta(description="the CPU's vendor, as /proc/cpuinfo names it; empty if it does not")] = ""
    core_name: Annotated[str | None, Meta(description="microarchitecture; null if it is unknown")] = None
    cache_bytes: Annotated[int | None, Meta(description="caches of all levels and instances; null if unknown")] = None
    array_bytes: Annotated[int, Meta(description="memory that the bandwidth kernels walk, of all instances")] = 0
    problems: Annotated[list[str], Meta(description="what keeps a limit from being one, or from being known")] = []
    elapsed_s: Annotated[float, Meta(description="duration of the probe in seconds")] = 0.0

    @property
    def fp32(self) -> KernelLimit | None:
        """The FP32 peak; None if it is unknown."""
        return self._best({"fp32"})

    @property
    def int8(self) -> KernelLimit | None:
        """The INT8 peak of kernels like those of MXNet 1.5.0; None if it is unknown."""
        return self._best({"int8"})

    @property
    def int8_unused(self) -> KernelLimit | None:
        """What the CPU can do in INT8 beyond that, which MXNet 1.5.0 does not use; None if it is nothing."""
        unused = max((k for k in self.kernels if not k.used_by_mxnet_150), key=lambda k: k.rate, default=None)
        return None if unused and self.int8 and unused.rate <= self.int8.rate else unused

    @property
    def memory(self) -> KernelLimit | None:
        """The highest memory bandwidth; None if it is unknown."""
        return self._best(MEMORY)

    def best(self, kind: Kind) -> KernelLimit | None:
        """Return the best kernel of a kind that MXNet 1.5.0 has too; None if it is unknown."""
        return self._best({kind})

    def _best(self, kinds: Collection[str]) -> KernelLimit | None:
        of_kind = [k for k in self.kernels if k.kind in kinds and k.used_by_mxnet_150]
        return max(of_kind, key=lambda k: k.rate, default=None)


def best_of(several: Sequence[MachineLimits]) -> MachineLimits | None:
    """Return the highest rate of each kernel in several probes of one machine, with the problems of all; None without
    a probe. Clocks move with the load of a host: no single moment shows the limit.
    """
    if not several:
        return None
    best: dict[str, KernelLimit] = {}
    for limits in several:
        for limit in limits.kernels:
            if limit.kernel not in best or best[limit.kernel].rate < limit.rate:
                best[limit.kernel] = limit
    problems = list(dict.fromkeys(problem for limits in several for problem in limits.problems))
    elapsed_s = round(sum(limits.elapsed_s for limits in several), 2)
    fullest = max(several, key=lambda limits: len(limits.kernels))
    return msgspec.structs.replace(fullest, kernels=list(best.values()), problems=problems, elapsed_s=elapsed_s)
