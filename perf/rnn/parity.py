"""Both builds compared with the equations: in a case, in random networks, and in the examples of known defects."""

from collections import defaultdict
from collections.abc import Mapping

import msgspec
from hypothesis.errors import FlakyFailure

from perf.checks import CheckResult
from perf.defects import Defect
from perf.errors import PerfError, WorkerError
from perf.machine import free_bytes, shortage
from perf.measure.family import Resources
from perf.property_testing import for_random
from perf.rnn.agreement import Distance
from perf.rnn.example import Example, example_of, known_defect
from perf.rnn.family import RnnCase, RnnFamily
from perf.rnn.runner import ExampleRunner
from perf.rnn.shapes import catalogue
from perf.rnn.strategies import networks
from perf.rnn.verify import verify

# A runner for each build, by the build's role.
Runners = Mapping[str, ExampleRunner]


class WrongNetworkError(Exception):
    """A build computed a random network wrong."""


def check_case(case: RnnCase, resources: Resources) -> CheckResult:
    """Compare outputs and final states of every build with the equations, on the values that are timed.

    Raises PerfError when the case does not fit into memory.
    """
    family = RnnFamily()
    plan = family.plan(case.subject, [case], resources)
    short = shortage(family.memory_bytes(plan, resources)[case.workload], free_bytes())
    if short:
        raise PerfError(
            short,
            subject=case.workload,
            next_step="choose a smaller shape with --perf-rnn-shape, or fewer layers with --perf-rnn-layers",
        )
    checked = verify(plan, resources)
    problems = [f"{name}: {check.problem.what}" for name, check in checked.items() if check.problem]
    facts = {name: check.facts for name, check in checked.items() if check.facts}
    observed = ", ".join(f"{name} {check.output_difference:.1e}" for name, check in facts.items())
    allowed = next((f"{check.output_difference_allowed:.1e}" for check in facts.values()), "")
    return CheckResult("RNN equations", case.workload, observed, allowed, "; ".join(problems) or None)


def check_random(mode: str, runners: Runners, *, seed: int, count: int) -> CheckResult:
    """Compare random networks of a mode with the equations in every build.

    A network that a known defect of a build affects is left out for that build.
    """
    distances: dict[str, list[Distance]] = defaultdict(list)

    def check(example: Example) -> None:
        for role, runner in runners.items():
            if not known_defect(example, runner.build.facts):
                distance = _distance(role, runner, example)
                distances[role].append(distance)

    examples = [entry for entry in msgspec.convert(catalogue().counterexamples, list[Example]) if entry.mode == mode]
    problem = None
    try:
        for_random(networks(mode), check, first=f"{seed} {mode}", count=count, examples=examples)
    except WrongNetworkError as error:
        problem = str(error)
    except FlakyFailure as flaky:
        problem = f"{flaky.exceptions[0]}, but was right when it was run again"
    largest = [f"{role} {max(d.difference for d in of):.1e} in {len(of)}" for role, of in distances.items()]
    used = max((d.difference / d.allowed for of in distances.values() for d in of), default=0.0)
    return CheckResult("random RNNs", mode, ", ".join(largest), f"{used:.0%} used", problem)


def _distance(role: str, runner: ExampleRunner, example: Example) -> Distance:
    """Return how far a build is from the equations. Raises WrongNetworkError if too far, or when its worker fails."""
    try:
        distance = runner.distance(example)
    except WorkerError as error:
        raise WrongNetworkError(f"{role}: {error.what}: {example.toml}") from error
    if distance.too_large:
        raise WrongNetworkError(f"{role}: the outputs {distance.problem}: {example.toml}")
    return distance


def check_defect(name: str, defect: Defect, runners: Runners) -> CheckResult:
    """Run a known defect's example in every build: only wheels that are declared to have it may be wrong, and must."""
    example = example_of(defect)
    distances = {role: runner.distance(example) for role, runner in runners.items()}
    problems = [
        defect.contradiction(
            name, runners[role].build.facts, [f"the outputs {distance.problem}"] if distance.too_large else []
        )
        for role, distance in distances.items()
    ]
    observed = ", ".join(f"{role} {distance.difference:.1e}" for role, distance in distances.items())
    (allowed,) = {f"{distance.allowed:.1e}" for distance in distances.values()}
    return CheckResult("known defects", name, observed, allowed, "; ".join(filter(None, problems)) or None)
