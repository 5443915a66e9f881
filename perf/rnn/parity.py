"""Both builds against the equations: in a case, in random networks, and in the examples of known defects."""

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
from perf.rnn.example import Example, covering, example_of
from perf.rnn.family import RnnCase, RnnFamily
from perf.rnn.runner import ExampleRunner
from perf.rnn.shapes import catalogue
from perf.rnn.strategies import networks
from perf.rnn.verify import verify

Runners = Mapping[str, ExampleRunner]


class WrongError(Exception):
    """A random network did not come out right in the build of a role."""


def check_case(case: RnnCase, resources: Resources) -> CheckResult:
    """The outputs and final states of every build in the workload of a case, on the values that are timed.
    PerfError when these do not fit into memory.
    """
    family = RnnFamily()
    plan = family.plan(case.subject, [case], resources)
    short = shortage(family.memory_bytes(plan, resources)[case.workload], free_bytes())
    if short:
        raise PerfError(short, subject=case.workload, next_step="choose a smaller shape with --perf-rnn-shape")
    checked = verify(plan, resources)
    problems = [f"{name}: {check.problem.what}" for name, check in checked.items() if check.problem]
    facts = {name: check.facts for name, check in checked.items() if check.facts}
    found = ", ".join(f"{name} {of.output_difference:.1e}" for name, of in facts.items())
    allowed = next((f"{of.output_difference_allowed:.1e}" for of in facts.values()), "")
    return CheckResult("RNN equations", case.workload, found, allowed, "; ".join(problems) or None)


def check_random(mode: str, runners: Runners, *, seed: int, count: int) -> CheckResult:
    """Random networks of a mode in every build; what a known defect of a build covers is left out there."""
    seen: dict[str, list[Distance]] = defaultdict(list)

    def check(example: Example) -> None:
        for role, runner in runners.items():
            if not covering(example, runner.build.facts):
                found = _right(role, runner, example)
                seen[role].append(found)

    kept = [known for known in msgspec.convert(catalogue().counterexamples, list[Example]) if known.mode == mode]
    problem = None
    try:
        for_random(networks(mode), check, first=f"{seed} {mode}", count=count, examples=kept)
    except WrongError as error:
        problem = str(error)
    except FlakyFailure as flaky:
        problem = f"{flaky.exceptions[0]}, and came out right when it was run again"
    largest = [f"{role} {max(d.found for d in distances):.1e} in {len(distances)}" for role, distances in seen.items()]
    used = max((d.found / d.allowed for distances in seen.values() for d in distances), default=0.0)
    return CheckResult("random RNNs", mode, ", ".join(largest), f"{used:.0%} used", problem)


def _right(role: str, runner: ExampleRunner, example: Example) -> Distance:
    """How far a build is from the equations. WrongError when that is too far, or its worker fails."""
    try:
        found = runner.distance(example)
    except WorkerError as error:
        raise WrongError(f"{role}: {error.what}: {{ {example.words} }}") from error
    if found.too_far:
        raise WrongError(f"{role}: the outputs {found.words}: {{ {example.words} }}")
    return found


def check_defect(name: str, defect: Defect, runners: Runners) -> CheckResult:
    """A known defect's example in every build: wrong on the wheels that it is declared for, right on all others."""
    example = example_of(defect)
    found = {role: runner.distance(example) for role, runner in runners.items()}
    problems = [
        defect.contradiction(
            name, runners[role].build.facts, [f"the outputs {distance.words}"] if distance.too_far else []
        )
        for role, distance in found.items()
    ]
    words = ", ".join(f"{role} {distance.found:.1e}" for role, distance in found.items())
    (allowed,) = {f"{distance.allowed:.1e}" for distance in found.values()}
    return CheckResult("known defects", name, words, allowed, "; ".join(filter(None, problems)) or None)
