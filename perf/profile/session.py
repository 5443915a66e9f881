"""Profiling stacks in workers: fresh ones for each invocation, of all stacks at the same time, which take turns."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TypeVar

from perf.machine import Placement
from perf.measure.family import Resources
from perf.measure.plan import Loadable, Variant, Workload
from perf.measure.tiers import Effort
from perf.measure.workers.inspection import tracing
from perf.measure.workers.replies import GraphNode, Profiled
from perf.measure.workers.turns import turn
from perf.measure.workers.worker_group import WorkerGroup
from perf.profile.primitives import Primitive, by_operator

# Fresh sets of workers. With fewer than four, intervals are too wide to tell culprits from noise.
INVOCATIONS = 4
# How long all turns of a stack in an invocation should take together, in seconds, and how many there are at least.
TURNS_S = 1.0
FEWEST_BLOCKS, MOST_BLOCKS = 3, 20
# How long the plain passes of a turn should take, in seconds: as a slot of the quick tier.
TURN_S = 0.03
MOST_PASSES = 10
# A turn runs its passes three times.
RUNS_OF_A_TURN = 3
# Marked passes: primitives are read from the last one.
MARKED_PASSES = 2
NS_PER_MS = 1e6
PassT = TypeVar("PassT")


@dataclass(frozen=True)
class Arm:
    """A stack to profile. Arms have variants of different names.

    variant: what runs.
    placement: where its only instance runs.
    """

    variant: Variant[Loadable]
    placement: Placement


@dataclass(frozen=True)
class Times:
    """The times of a stack in one invocation, in ms: means over its fastest passes.

    pass_ms: a plain pass.
    overhead_ms: the time of a plain pass in which no operator runs.
    operators_ms: each operator, by name, in the order in which they ran.
    """

    pass_ms: float
    overhead_ms: float
    operators_ms: Mapping[str, float]


@dataclass(frozen=True)
class ArmProfile:
    """What the profile of a stack showed.

    nodes: its operators, in the order in which they ran.
    primitives: the primitives of each operator in a pass, by the operator's name; empty without MKL-DNN.
    threads: its OpenMP threads.
    invocations: its times in each invocation.
    """

    nodes: Sequence[GraphNode]
    primitives: Mapping[str, tuple[Primitive, ...]]
    threads: int
    invocations: Sequence[Times]


def profile(
    arms: Sequence[Arm], workload: Workload, resources: Resources, show: Callable[[str, float], None], effort: Effort
) -> list[ArmProfile]:
    """Profile stacks on the same workload, and return what was observed of each. Nothing else may be timed meanwhile.

    show: shows what is being done, and about which fraction is done.
    effort: the tier's; explaining takes no more invocations and no longer turns than it.

    Raises WorkerError when a worker fails.
    """
    show("tracing kernels", 0.1)
    traced = [_traced(arm, workload, resources) for arm in arms]
    invocations: list[list[list[Profiled]]] = []
    count = max(2, min(INVOCATIONS, effort.min_invocations))
    for number in range(count):
        show(f"profiling operators, invocation {number + 1}", (1 + number) / (1 + count))
        invocations.append(_invocation(arms, workload, resources, effort, reverse=bool(number % 2)))
    return [
        _arm_profile(arm, *traced[place], [invocation[place] for invocation in invocations])
        for place, arm in enumerate(arms)
    ]


def _arm_profile(
    arm: Arm,
    nodes: Sequence[GraphNode],
    primitives: Mapping[str, tuple[Primitive, ...]],
    invocations: Sequence[Sequence[Profiled]],
) -> ArmProfile:
    by_name = {node.name: node for node in nodes}
    return ArmProfile(
        nodes=[by_name[name] for name in invocations[0][0].operators],
        primitives=primitives,
        threads=arm.placement.threads,
        invocations=[_times_of(turns) for turns in invocations],
    )


def _times_of(turns: Sequence[Profiled]) -> Times:
    """Return the times of an invocation. Noise only adds time, so the fastest passes count; each of them as a whole,
    since the fastest of every operator would sum up to less than any pass.
    """
    one_by_one = _fastest([times for reply in turns for times in reply.operators_ns], sum)
    plain = _fastest([time for reply in turns for time in reply.passes_ns], float)
    overheads = _fastest([time for reply in turns for time in reply.overhead_ns], float)
    operators = zip(turns[0].operators, zip(*one_by_one, strict=True), strict=True)
    return Times(_mean_ms(plain), _mean_ms(overheads), {name: _mean_ms(times) for name, times in operators})


def _fastest(passes: Sequence[PassT], duration: Callable[[PassT], float]) -> list[PassT]:
    """Return the fastest quarter of passes."""
    return sorted(passes, key=duration)[: max(1, len(passes) // 4)]


def _mean_ms(durations_ns: Sequence[int]) -> float:
    return sum(durations_ns) / len(durations_ns) / NS_PER_MS


def _traced(
    arm: Arm, workload: Workload, resources: Resources
) -> tuple[tuple[GraphNode, ...], Mapping[str, tuple[Primitive, ...]]]:
    """Return the operators of a stack, and the primitives of each, from a worker of its own: tracing takes time."""
    with closing(_start(arm, resources, tracing(arm.variant.build))) as group:
        nodes = group.load()
        group.bind(workload)
        if not arm.variant.build.facts.mkldnn:
            return nodes, {}
        group.mark(MARKED_PASSES)
        return nodes, by_operator(group.log_text)


def _start(arm: Arm, resources: Resources, variables: Mapping[str, str] | None = None) -> WorkerGroup:
    return WorkerGroup(
        arm.variant, (arm.placement,), resources.scratch, timeout_s=resources.timeout_s, variables=variables
    )


def _invocation(
    arms: Sequence[Arm], workload: Workload, resources: Resources, effort: Effort, *, reverse: bool
) -> list[list[Profiled]]:
    """Return the turns of each stack in fresh workers. All load at the same time, as for a timed session: of two equal
    workers, the one that loaded first would be slower.
    """
    order = list(range(len(arms)))[:: -1 if reverse else 1]
    replies: list[list[Profiled]] = [[] for _ in arms]
    with ExitStack() as workers:
        groups = [workers.enter_context(closing(_start(arm, resources))) for arm in arms]
        with ThreadPoolExecutor(len(groups)) as pool:
            list(pool.map(lambda group: group.prepare(workload), groups))
        for group in groups:
            group.hold()
        passes, longest_s = [1] * len(arms), 0.0
        for place in order:
            with turn(groups[place]):
                warm_up = groups[place].warm_up(effort)
                pass_s = warm_up.duration_ns / warm_up.passes / 1e9
                groups[place].profile(1, resources.scratch)  # binds the operators that run one by one
            passes[place] = min(MOST_PASSES, max(1, round(TURN_S / pass_s)))
            longest_s = max(longest_s, pass_s * passes[place] * RUNS_OF_A_TURN)
        for block in range(
            min(MOST_BLOCKS, max(FEWEST_BLOCKS, round(min(TURNS_S, effort.block_budget_s) / longest_s)))
        ):
            for place in order[:: -1 if block % 2 else 1]:
                with turn(groups[place]):
                    replies[place].append(groups[place].profile(passes[place], resources.scratch))
    return replies
