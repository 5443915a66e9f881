"""The stacks that are profiled, and what profiling them yields: times of operators, or of the parts of a step."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from perf.machine import Placement
from perf.measure.plan import Variant
from perf.measure.workers.replies import GraphNode
from perf.measure.workers.runner import Start
from perf.profile.primitives import Primitive
from perf.runs.explanation import Unit

NS_PER_MS = 1e6
PassT = TypeVar("PassT")


@dataclass(frozen=True)
class Arm:
    """A stack to profile. Arms have variants of different names.

    variant: what runs.
    placement: where its only instance runs, or its first rank.
    start: starts the ranks of a training job; None for a worker.
    """

    variant: Variant[Any]
    placement: Placement
    start: Start[Variant[Any]] | None = None

    @property
    def unit(self) -> Unit:
        """What is profiled: passes, or training steps."""
        return "pass" if self.start is None else "step"


@dataclass(frozen=True)
class Times:
    """The times of a stack in one invocation, in ms: means over its fastest passes, or training steps.

    pass_ms: a plain pass.
    overhead_ms: the time of a pass in which no operator runs.
    operators_ms: each operator, or part of a step, by name, in the order in which they ran.
    """

    pass_ms: float
    overhead_ms: float
    operators_ms: Mapping[str, float]


@dataclass(frozen=True)
class ArmProfile:
    """What the profile of a stack showed.

    nodes: its operators, in the order in which they ran; of a training step, its parts.
    primitives: the primitives of each operator in a pass, by the operator's name; empty without MKL-DNN.
    threads: its OpenMP threads.
    invocations: its times in each invocation.
    unit: what was profiled.
    libraries: the OpenMP and the BLAS library that MXNet loads, by file name.
    """

    nodes: Sequence[GraphNode]
    primitives: Mapping[str, tuple[Primitive, ...]]
    threads: int
    invocations: Sequence[Times]
    unit: Unit = "pass"
    libraries: Mapping[str, str] = field(default_factory=dict)


def fastest(passes: Sequence[PassT], duration: Callable[[PassT], float]) -> list[PassT]:
    """Return the fastest quarter of passes: noise only adds time."""
    return sorted(passes, key=duration)[: max(1, len(passes) // 4)]


def mean_ms(durations_ns: Sequence[float]) -> float:
    """Return the mean of durations in ns, in ms."""
    return sum(durations_ns) / len(durations_ns) / NS_PER_MS
