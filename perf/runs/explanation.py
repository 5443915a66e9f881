"""Where the time of a case goes, operator by operator, and which of them account for a change: as it is stored."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

# What is explained: passes of a network, or steps of training.
Unit = Literal["pass", "step"]


class TimeChange(msgspec.Struct, frozen=True):
    """A difference of two times, with its 95 % interval."""

    ms: Annotated[float, Meta(description="milliseconds now minus milliseconds then; above 0 is slower")]
    low_ms: Annotated[float | None, Meta(description="lower end of the 95 % interval; null if it is unknown")]
    high_ms: Annotated[float | None, Meta(description="upper end of the 95 % interval; null if it is unknown")]

    @property
    def certain_ms(self) -> float:
        """The end of the interval nearest to 0, with its sign; 0 where the interval contains 0 or is unknown."""
        if self.low_ms is None or self.high_ms is None or self.low_ms <= 0 <= self.high_ms:
            return 0.0
        return min(self.low_ms, self.high_ms, key=abs)


class LayerTime(msgspec.Struct, frozen=True):
    """The time of a layer in a pass, or of a part of a training step; the same for what is not in any of them."""

    name: Annotated[str, Meta(description="name of its first operator in the network, or of the part")]
    operators: Annotated[str, Meta(description="what runs it, such as conv+bn+relu")]
    kernels: Annotated[tuple[str, ...], Meta(description="MKL-DNN's kernels that it runs; empty for MXNet's own code")]
    now_ms: Annotated[float, Meta(description="its time in a pass, in ms")]
    then_ms: Annotated[float | None, Meta(description="the same in the baseline's stack; null without one")] = None
    change: Annotated[TimeChange | None, Meta(description="the difference; null without a baseline")] = None
    facts: Annotated[tuple[str, ...], Meta(description="what it runs in another way than the baseline's stack")] = ()


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Where the time of a pass goes, or of a training step. It was measured in passes of its own, with one instance or
    one job, which are not timed.
    """

    layers: Annotated[
        tuple[LayerTime, ...],
        Meta(description="layers, and MXNet's overhead; those that account for the change, or take longest, first"),
    ]
    culprits: Annotated[
        int, Meta(description="number of first layers that account for 90 % of the change; 0 if nothing changed")
    ]
    pass_ms: Annotated[float, Meta(description="latency of a pass without a profiler, in ms")]
    then_pass_ms: Annotated[float | None, Meta(description="the same of the baseline's stack; null without one")]
    change: Annotated[TimeChange | None, Meta(description="the difference of the two; null without a baseline")]
    accounted: Annotated[
        float,
        Meta(description="sum of operators and overhead, as a fraction of the latency; the smaller of both stacks'"),
    ]
    notes: Annotated[tuple[str, ...], Meta(description="what a reader must know: what is not accounted for, threads")]
    invocations: Annotated[int, Meta(description="fresh pairs of processes that it was measured in")]
    elapsed_s: Annotated[float, Meta(description="wall time that explaining took, in seconds")]
    unit: Annotated[Unit, Meta(description="what a pass is: `pass` of a network, or `step` of training")] = "pass"
