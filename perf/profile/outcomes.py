"""Explaining the cases of a session that changed: after everything is timed, and before the items report."""

import time
from collections.abc import Callable, Mapping, Sequence

from perf.errors import PerfError, WorkerError
from perf.judge.judgement import VerdictKind
from perf.measure.family import Resources
from perf.measure.outcome import Outcome
from perf.measure.plan import Workload
from perf.measure.stacks import BaselineArm
from perf.measure.tiers import Effort, effort_of
from perf.profile.explain import explanation_of
from perf.profile.session import Arm, profile
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
    it ran the baseline's stack. Training jobs, whose operators run in many processes, are left out. What could not be
    explained is reported.

    outcomes: the cases, by name; kinds: their verdicts; show: shows what is being done and the fraction that is done.
    """
    changed = [name for kind in EXPLAINED for name in outcomes if kinds.get(name) == kind]
    usable = [name for name in changed if not outcomes[name].variant.program.distributed]
    explanations = {}
    for number, name in enumerate(usable[:MOST_CASES]):

        def show_case(text: str, done: float, name: str = name, number: int = number) -> None:
            show(f"explaining {name}: {text}", (number + done) / min(MOST_CASES, len(usable)))

        try:
            explanations[name] = _explained(outcomes[name], kinds[name], effort, resources, show_case)
        except PerfError as error:
            resources.say(f"{name} could not be explained: {error.what}")
    if explanations:
        total_s = sum(explanation.elapsed_s for explanation in explanations.values())
        resources.say(
            f"explained by operator, in {total_s:.0f} s after everything was timed: {', '.join(explanations)}"
        )
    if usable[MOST_CASES:]:
        left = ", ".join(usable[MOST_CASES:])
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


def _explained(
    outcome: Outcome, kind: VerdictKind, effort: Effort, resources: Resources, show: Callable[[str, float], None]
) -> Explanation:
    arms = [Arm(outcome.variant, resources.placements[0])]
    if isinstance(outcome.baseline_arm, BaselineArm):
        arms.append(Arm(outcome.baseline_arm.variant, resources.placements[0]))
    workload = next(workload for workload in outcome.plan.workloads if workload.name == outcome.case.workload)
    return explain_arms(
        outcome.case.id, arms, workload, resources, show, effort, established=-1 if kind == "improved" else 1
    )
