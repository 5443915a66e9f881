"""Profiling the passes of a network in a worker: MXNet's profiler for times, and MKL-DNN's trace for kernels."""

from collections.abc import Mapping
from contextlib import closing

from perf.measure.family import Resources
from perf.measure.plan import Workload
from perf.measure.workers.inspection import tracing
from perf.measure.workers.replies import GraphNode, Profiled
from perf.measure.workers.worker_group import WorkerGroup
from perf.profile.arms import Arm, Times, fastest, mean_ms
from perf.profile.primitives import Primitive, by_operator

# Marked passes, or steps: primitives are read from the last one.
MARKED = 2


class PassProfiler:
    """A stack in a fresh worker, and what its turns showed (a `perf.profile.session.Profiler`)."""

    def __init__(self, arm: Arm, resources: Resources) -> None:
        self.group = _start(arm, resources)
        self._scratch = resources.scratch
        self._turns: list[Profiled] = []

    def ready(self) -> None:
        """Bind the operators that run one by one."""
        self.group.profile(1, self._scratch)

    def turn(self, passes: int) -> None:
        """Run this number of passes of each kind."""
        self._turns.append(self.group.profile(passes, self._scratch))

    def times(self) -> Times:
        """Return the times of all turns. Of the passes whose operators ran one by one, each counts as a whole: the
        fastest of every operator would sum up to less than any pass.
        """
        one_by_one = fastest([times for reply in self._turns for times in reply.operators_ns], sum)
        plain = fastest([time for reply in self._turns for time in reply.passes_ns], float)
        overheads = fastest([time for reply in self._turns for time in reply.overhead_ns], float)
        operators = zip(self._turns[0].operators, zip(*one_by_one, strict=True), strict=True)
        return Times(mean_ms(plain), mean_ms(overheads), {name: mean_ms(times) for name, times in operators})


def traced_passes(
    arm: Arm, workload: Workload, resources: Resources
) -> tuple[tuple[GraphNode, ...], Mapping[str, tuple[Primitive, ...]]]:
    """Return the operators of a stack, and the primitives of each, from a worker of its own: tracing takes time."""
    with closing(_start(arm, resources, tracing(arm.variant.build))) as group:
        nodes = group.load()
        group.bind(workload)
        if not arm.variant.build.facts.mkldnn:
            return nodes, {}
        group.mark(MARKED)
        return nodes, by_operator(group.log_text)


def _start(arm: Arm, resources: Resources, variables: Mapping[str, str] | None = None) -> WorkerGroup:
    return WorkerGroup(
        arm.variant, (arm.placement,), resources.scratch, timeout_s=resources.timeout_s, variables=variables
    )
