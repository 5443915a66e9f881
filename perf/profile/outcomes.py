"""Explaining the cases of a session that changed: after everything is timed, and before the items report."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from perf.errors import PerfError, WorkerError
from perf.judge.judgement import VerdictKind
from perf.measure.family import Resources
from perf.measure.outcome import Outcome
from perf.measure.plan import Plan, Variant, Workload
from perf.measure.stacks import BaselineArm
from perf.measure.tiers import Effort, effort_of
from perf.profile.arms import Arm
from perf.profile.explain import explanation_of
from perf.profile.session import profile
from perf.runs.explanation import Explanation

# The verdicts that are explained, the gravest first.
EXPLAINED: tuple[VerdictKind, ...] = ("regressed", "drifted", "improved")
# Cases that a session explains: each takes some 20 s, and one cause mostly has many cases.
MOST_CASES = 3


def explain_outcomes(
    outcomes: Mapping[str, Outcome],
    kinds: Mapping[str, VerdictKind],
    effort: Effort,
    resources: Resources,
    show: Callable[[str, float], None],
) -> dict[str, Explanation]:
    """Return the explanations of the gravest changed cases, by case: the case beside its baseline arm, or alone where
    it ran the baseline's stack. What could not be explained is reported.

    outcomes: the cases, by name; kinds: their verdicts; show: shows what is being done and the fraction that is done.
    """
    changed = [name for kind in EXPLAINED for name in outcomes if kinds.get(name) == kind]
    explanations = {}
    for number, name in enumerate(changed[:MOST_CASES]):

        def show_case(text: str, done: float, name: str = name, number: int = number) -> None:
            show(f"explaining {name}: {text}", (number + done) / min(MOST_CASES, len(changed)))

        try:
            explanations[name] = _explained(outcomes[name], kinds[name], effort, resources, show_case)
        except PerfError as error:
            resources.say(f"{name} could not be explained: {error.what}")
    if explanations:
        total_s = sum(explanation.elapsed_s for explanation in explanations.values())
        resources.say(f"explained, in {total_s:.0f} s after everything was timed: {', '.join(explanations)}")
    if changed[MOST_CASES:]:
        left = ", ".join(changed[MOST_CASES:])
        resources.say(f"not explained, to limit the time (mxperf explain CASE RUN BASELINE explains them): {left}")
    return explanations


def explain_arms(
    name: str,
    arms: Sequence[Arm],
    workload: Workload,
    resources: Resources,
    show: Callable[[str, float], None],
    effort: Effort | None = None,
    *,
    established: int = 0,
) -> Explanation:
    """Return the explanation of a candidate, alone or with its baseline arm, on a workload. `effort` is the tier's, by
    default that of the quick one; `established` is as in `culprits_of`. Raises PerfError when a worker fails.
    """
    started = time.monotonic()
    try:
        profiles = profile(arms, workload, resources, show, effort or effort_of("quick"))
    except WorkerError as error:
        step = "read the last lines above, and measure the case with pytest"
        raise PerfError(f"{error.what}\n{error.last_lines}".strip(), subject=name, next_step=step) from error
    then = profiles[1] if profiles[1:] else None
    return explanation_of(profiles[0], then, time.monotonic() - started, established=established)


def arm_of(plan: Plan[Any], variant: Variant[Any], resources: Resources) -> Arm:
    """Return the arm that runs a variant of a plan: in one worker, or as a training job."""
    placements = resources.placements if plan.start is None else resources.rank_placements
    return Arm(variant, placements[0], plan.start)


def _explained(
    outcome: Outcome, kind: VerdictKind, effort: Effort, resources: Resources, show: Callable[[str, float], None]
) -> Explanation:
    arms = [arm_of(outcome.plan, outcome.variant, resources)]
    if isinstance(outcome.baseline_arm, BaselineArm):
        arms.append(arm_of(outcome.plan, outcome.baseline_arm.variant, resources))
    workload = next(workload for workload in outcome.plan.workloads if workload.name == outcome.case.workload)
    return explain_arms(
        outcome.case.id, arms, workload, resources, show, effort, established=-1 if kind == "improved" else 1
    )
