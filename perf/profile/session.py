"""Profiling stacks: fresh workers or jobs for each invocation, of all stacks at the same time, which take turns."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Protocol

from perf.measure.family import Resources
from perf.measure.plan import Workload
from perf.measure.tiers import Effort
from perf.measure.workers.runner import Prepared
from perf.measure.workers.turns import turn
from perf.profile.arms import Arm, ArmProfile, Times
from perf.profile.passes import PassProfiler, traced_passes
from perf.profile.steps import StepProfiler, traced_steps
from perf.runs.explanation import Unit

# Fresh sets of workers. With fewer than four, intervals are too wide to tell culprits from noise.
INVOCATIONS = 4
# How long all turns of a stack in an invocation should take together, in seconds, and how many there are at least.
# Steps vary more than passes, since ranks disturb each other.
TURNS_S: Mapping[Unit, float] = {"pass": 1.0, "step": 3.0}
FEWEST_BLOCKS, MOST_BLOCKS = 3, 20
# Turns that take longer, in seconds, are not repeated: of three, only the fastest counts, and that would cost minutes.
LONG_TURN_S = 5.0
# How long the plain passes of a turn should take, in seconds: as a slot of the quick tier.
TURN_S = 0.03
MOST_PASSES = 10
# A turn runs its passes three times.
RUNS_OF_A_TURN = 3


class Profiler(Protocol):
    """A stack in fresh processes, and what its turns showed. Any method may raise WorkerError."""

    @property
    def group(self) -> Prepared:
        """The processes."""

    def ready(self) -> None:
        """Run each kind of pass once, after the warm-up."""

    def turn(self, passes: int) -> None:
        """Run this number of passes of each kind."""

    def times(self) -> Times:
        """Return the times of all turns."""


def profile(
    arms: Sequence[Arm], workload: Workload, resources: Resources, show: Callable[[str, float], None], effort: Effort
) -> list[ArmProfile]:
    """Profile stacks on the same workload, and return what was observed of each. Nothing else may be timed meanwhile.

    show: shows what is being done, and about which fraction is done.
    effort: the tier's; explaining takes no more invocations and no longer turns than it.

    Raises WorkerError when a worker or a job fails.
    """
    show("tracing kernels", 0.1)
    traced = [(traced_passes if arm.unit == "pass" else traced_steps)(arm, workload, resources) for arm in arms]
    invocations: list[list[Times]] = []
    count = max(2, min(INVOCATIONS, effort.min_invocations))
    for number in range(count):
        show(f"profiling, invocation {number + 1}", (1 + number) / (1 + count))
        invocations.append(_invocation(arms, workload, resources, effort, reverse=bool(number % 2)))
    profiles = []
    for arm, (nodes, primitives), times in zip(arms, traced, zip(*invocations, strict=True), strict=True):
        by_name = {node.name: node for node in nodes}
        ran = [by_name[name] for name in times[0].operators_ms]
        libraries = arm.variant.build.libraries
        profiles.append(ArmProfile(ran, primitives, arm.placement.threads, times, arm.unit, libraries))
    return profiles


def _invocation(
    arms: Sequence[Arm], workload: Workload, resources: Resources, effort: Effort, *, reverse: bool
) -> list[Times]:
    """Return the times of each stack in fresh processes. All load at the same time, as for a timed session: of two
    equal workers, the one that loaded first would be slower.
    """
    order = list(range(len(arms)))[:: -1 if reverse else 1]
    with ExitStack() as workers:
        profilers: list[Profiler] = []
        for arm in arms:
            profilers.append((PassProfiler if arm.unit == "pass" else StepProfiler)(arm, resources))
            workers.enter_context(closing(profilers[-1].group))
        with ThreadPoolExecutor(len(profilers)) as pool:
            list(pool.map(lambda profiler: profiler.group.prepare(workload), profilers))
        for profiler in profilers:
            profiler.group.hold()
        passes, longest_s = [1] * len(arms), 0.0
        for place in order:
            with turn(profilers[place].group):
                warm_up = profilers[place].group.warm_up(effort)
                pass_s = warm_up.duration_ns / warm_up.passes / 1e9
                profilers[place].ready()
            passes[place] = min(MOST_PASSES, max(1, round(TURN_S / pass_s)))
            longest_s = max(longest_s, pass_s * passes[place] * RUNS_OF_A_TURN)
        for block in range(_blocks(min(TURNS_S[arms[0].unit], effort.block_budget_s), longest_s)):
            for place in order[:: -1 if block % 2 else 1]:
                with turn(profilers[place].group):
                    profilers[place].turn(passes[place])
        return [profiler.times() for profiler in profilers]


def _blocks(budget_s: float, turn_s: float) -> int:
    """Return how many turns each stack takes, when the longest of them takes `turn_s` seconds."""
    fewest = FEWEST_BLOCKS if turn_s <= LONG_TURN_S else 1
    return min(MOST_BLOCKS, max(fewest, round(budget_s / turn_s)))
