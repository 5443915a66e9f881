"""Draw whole runs from recorded invocations, and judge them with the gate's own code and budgets."""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.gate.recording import RecordedInvocation
from benchmarks.gate.samples import BASELINE_ARM, Recordings, log_ratio, observed, reference_of, variants_of
from perf.judge.judgement import MAX_EVALUATIONS, Judgement, VerdictKind, judge_drift, judge_side_by_side
from perf.judge.variance_prior import VariancePrior, prior_of, variance_of
from perf.measure.forecast import SIDE_BY_SIDE_BUDGET
from perf.measure.tiers import Effort
from perf.runs.tolerances import Tolerances

Case = tuple[str, str]
# The kinds of invocations that were recorded on an otherwise idle machine.
QUIET = ("quiet", "injected")
# Seconds that an invocation of a confirmation takes in addition to its blocks, by family: starting, loading and warming
# up two workers or two jobs (docs/explanation/gate.md).
STARTING_S = {"cnn": 3.0, "rnn": 3.0, "dist": 10.0}
# By how much longer the blocks of training jobs are (perf/dist/jobs.toml).
LONGER = {"dist": 3.0}


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A simulated run. Each field maps cases, whose workloads are numbered to tell copies apart, to values.

    `then` are the invocations of the stored run, and `late` those that are compared with them. `now` are the
    invocations that are measured side by side, and `more` further ones for confirmations. `arm` is the arm that stands
    for the variant, and `workload` the recorded workload.
    """

    then: Mapping[Case, Sequence[RecordedInvocation]]
    now: Mapping[Case, Sequence[RecordedInvocation]]
    late: Mapping[Case, Sequence[RecordedInvocation]]
    more: Mapping[Case, Sequence[RecordedInvocation]]
    arm: Mapping[Case, str]
    workload: Mapping[Case, str]


@dataclass
class Result:
    """The `judgements` of a run by case, and `confirm_s`, the time that its confirmations took."""

    judgements: dict[Case, Judgement] = field(default_factory=dict)
    confirm_s: float = 0.0

    def count(self, kind: VerdictKind) -> int:
        """Return the number of cases with this verdict."""
        return Counter(judgement.kind for judgement in self.judgements.values())[kind]


def draw_run(
    recordings: Recordings,
    workloads: Sequence[str],
    invocations: int,
    stored: int,
    draw: random.Random,
    kinds: Sequence[str] = QUIET,
) -> Drawn:
    """Draw a run over these workloads, which may be repeated. Each case gets `invocations` of now; the rest may be
    confirmations. None is drawn twice, since equal values would look as if they did not vary. The `stored` invocations
    of the baseline come from one half of the recorded time, and those that are compared with them (`late`) from the
    other half.
    """
    then: dict[Case, Sequence[RecordedInvocation]] = {}
    now: dict[Case, Sequence[RecordedInvocation]] = {}
    late: dict[Case, Sequence[RecordedInvocation]] = {}
    more: dict[Case, Sequence[RecordedInvocation]] = {}
    of: dict[Case, str] = {}
    earlier = bool(draw.getrandbits(1))  # the same half for all cases, as in a session
    for number, name in enumerate(workloads):
        every = [invocation for invocation in recordings[name] if invocation.kind in kinds]
        middle = len(every) // 2
        halves = [every[:middle], every[middle:]] if earlier else [every[middle:], every[:middle]]
        stored_ones, late_ones = (
            draw.sample(half, min(count, len(half))) for half, count in zip(halves, (stored, invocations), strict=True)
        )
        shuffled = draw.sample(every, len(every))
        for variant in variants_of(recordings[name]):
            case = (f"{name}#{number}", variant)
            then[case], late[case], of[case] = stored_ones, late_ones, name
            now[case], more[case] = shuffled[:invocations], shuffled[invocations:]
    return Drawn(then=then, now=now, late=late, more=more, arm={case: case[1] for case in now}, workload=of)


def judge_other_stack(run: Drawn, tolerances: Tolerances, effort: Effort) -> Result:
    """Judge a run in which every case has another stack than the baseline: side by side, then with confirmations."""

    def ratio(case: Case, invocation: RecordedInvocation) -> float | None:
        return log_ratio(invocation, case[1] + BASELINE_ARM, run.arm[case])

    def more(case: Case, taken: int) -> list[float | None]:
        return [ratio(case, i) for i in run.more[case][taken : taken + effort.confirm_invocations]]

    ratios = {case: [ratio(case, i) for i in invocations] for case, invocations in run.now.items()}
    samples = {case: [value for value in values if value is not None] for case, values in ratios.items()}
    return confirm(samples, more, tolerances, effort)


def confirm(
    samples: dict[Case, list[float]],
    more: Callable[[Case, int], Sequence[float | None]],
    tolerances: Tolerances,
    effort: Effort,
) -> Result:
    """Judge cases that were measured side by side with another stack, then confirm what is undecided, one case after
    the other, within the tier's budget. `samples` are the log ratios by case, and get those of confirmations. `more`
    returns the next ones of a case after the number that confirmations have taken: None for a disturbed invocation, and
    nothing if there are no more.
    """
    result = Result()
    level = len(samples)
    given_up: set[Case] = set()
    variances = {case: variance_of(values) for case, values in samples.items()}

    def prior(family: str) -> VariancePrior:
        assumed = tolerances.assumed_of(family)
        alike = [variance for case, variance in variances.items() if family_of(case) == family]
        return prior_of(alike, assumed.prior(assumed.side_by_side))

    def judged(case: Case, prior: VariancePrior) -> Judgement:
        return judge_side_by_side(samples[case], prior, tolerances.of(family_of(case), ""), level)

    priors = {family: prior(family) for family in {family_of(case) for case in samples}}
    result.judgements = {case: judged(case, priors[family_of(case)]) for case in samples}
    while suspects := [
        case
        for case, judgement in result.judgements.items()
        if judgement.kind == "inconclusive" and case not in given_up
    ]:
        suspect = min(suspects, key=lambda case: _change(result.judgements[case]))
        taken = 0
        for _ in range(1, MAX_EVALUATIONS):
            if result.confirm_s >= effort.confirm_budget_s:
                return result
            extra = more(suspect, taken)
            taken += len(extra)
            if not extra:
                break  # nothing more was recorded
            result.confirm_s += len(extra) * _invocation_s(suspect, effort)
            samples[suspect] += [value for value in extra if value is not None]
            variances[suspect] = variance_of(samples[suspect])
            result.judgements[suspect] = judged(suspect, prior(family_of(suspect)))
            if result.judgements[suspect].kind != "inconclusive":
                break
        given_up.add(suspect)
    return result


def judge_same_stack(run: Drawn, tolerances: Tolerances, recordings: Recordings) -> Result:
    """Judge a run in which every case has the baseline's stack: its speedup over the reference, then and now."""
    pairs = {}
    for case in run.now:
        reference = reference_of(recordings[run.workload[case]])
        if case[1] != reference:
            pairs[case] = (
                observed(run.late[case], reference, run.arm[case]),
                observed(run.then[case], reference, case[1]),
            )
    judgements = {}
    for case, (now, then) in pairs.items():
        family = family_of(case)
        assumed = tolerances.assumed_of(family)
        alike = [(o.variance, o.degrees) for name, (o, _) in pairs.items() if o and family_of(name) == family]
        prior = prior_of(alike, assumed.prior(assumed.invocations))
        sessions = assumed.prior(assumed.sessions)
        judgements[case] = judge_drift(now, then, prior, sessions, tolerances.of(family, ""), len(pairs))
    return Result(judgements)


def family_of(case: Case) -> str:
    """Return the family of a case, from the name of its workload."""
    return "dist" if case[0].startswith("train-") else "rnn" if case[0].startswith(("lstm", "rnn")) else "cnn"


def _invocation_s(case: Case, effort: Effort) -> float:
    """Return the time that an invocation of a confirmation takes."""
    family = family_of(case)
    return SIDE_BY_SIDE_BUDGET * LONGER.get(family, 1.0) * effort.block_budget_s + STARTING_S[family]


def _change(judgement: Judgement) -> float:
    return judgement.change.log_ratio if judgement.change else 0.0
