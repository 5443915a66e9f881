"""Profiling the steps of a training job: what its ranks compute, exchange and wait for."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from itertools import chain

from perf.measure.family import Resources
from perf.measure.plan import Workload
from perf.measure.workers.inspection import tracing
from perf.measure.workers.replies import GraphNode
from perf.measure.workers.runner import ProfiledSteps, StepTimes
from perf.profile.arms import Arm, Times, fastest, mean_ms
from perf.profile.passes import MARKED
from perf.profile.primitives import Primitive, by_operator

# The parts of a step that every rank has, by the names that perf.worker.rank.throughput gives them.
COMPUTING = {"forward": "the network and its loss", "backward": "the gradients", "update": "the optimiser"}
# What else a step consists of on several ranks.
WAITING, ALLREDUCE = "waiting", "allreduce"
TOGETHER = {WAITING: "for the slowest rank", ALLREDUCE: "what does not overlap with compute"}
NODES = tuple(
    GraphNode(name=name, op=text, quantized=False, inside=()) for name, text in {**COMPUTING, **TOGETHER}.items()
)


class StepProfiler:
    """A stack in a fresh training job, and what its turns showed (a `perf.profile.session.Profiler`)."""

    def __init__(self, arm: Arm, resources: Resources) -> None:
        self.group = _start(arm, resources)
        self._extra_work = arm.variant.extra_work
        self._turns: list[StepTimes] = []

    def ready(self) -> None:
        """Take the first steps of each kind."""
        self.group.profile(1)

    def turn(self, passes: int) -> None:
        """Take this number of steps of each kind."""
        self._turns.append(self.group.profile(passes))

    def times(self) -> Times:
        """Return the times of all turns."""
        return times_of(self._turns, self.group.ranks, self._extra_work)


def times_of(turns: Sequence[StepTimes], ranks: int, extra_work: float = 0.0) -> Times:
    """Return the times of a job of this number of `ranks` in some turns: forward, backward and update one after the
    other, mean over ranks; on several ranks, too, by how much the slowest of them takes longer without communication,
    and a step with communication than one without. Each kind of step counts by its own fastest quarter, so noise can
    make a small difference negative.

    extra_work: work that was injected after each step on purpose, as a fraction of the step. It makes any difference of
    two steps larger by the same fraction: that belongs to the overhead, as all of it does.
    """
    whole, slowest, alone, overhead = (
        mean_ms(fastest(list(chain.from_iterable(kind)), float))
        for kind in zip(*((t.whole_ns, t.slowest_ns, t.alone_ns, t.overhead_ns) for t in turns), strict=True)
    )
    parts = fastest([parts for turn in turns for parts in turn.parts_ns], sum)
    of_parts = dict(zip(COMPUTING, map(mean_ms, zip(*parts, strict=True)), strict=True))
    if ranks > 1:
        together = {WAITING: (slowest - alone) / (1 + extra_work), ALLREDUCE: (whole - slowest) / (1 + extra_work)}
        overhead += extra_work * sum(together.values())
        of_parts |= together
    return Times(whole, overhead, of_parts)


def traced_steps(
    arm: Arm, workload: Workload, resources: Resources
) -> tuple[tuple[GraphNode, ...], Mapping[str, tuple[Primitive, ...]]]:
    """Return the parts of a step, and the primitives of each on the first rank, from a job of its own: tracing takes
    time.
    """
    if not arm.variant.build.facts.mkldnn:
        return NODES, {}
    with closing(_start(arm, resources, tracing(arm.variant.build))) as group:
        group.prepare(workload)
        return NODES, by_operator(group.mark(MARKED))


def _start(arm: Arm, resources: Resources, variables: Mapping[str, str] | None = None) -> ProfiledSteps:
    if arm.start is None:
        raise TypeError(f"{arm.variant.name} is no training job")
    return arm.start.profiled(arm.variant, resources.scratch, timeout_s=resources.timeout_s, variables=variables)
