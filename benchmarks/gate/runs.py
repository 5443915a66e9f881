"""Whole runs drawn from recorded invocations, and judged by the gate's own code with its budgets."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.gate.recording import RecordedInvocation
from benchmarks.gate.samples import TWIN, Recordings, log_ratio, observed, reference_of, variants_of
from perf.judge.judgement import MAX_EVALUATIONS, Judgement, VerdictKind, judge_drift, judge_side_by_side
from perf.judge.variance_prior import prior_of, variance_of
from perf.measure.engine import BESIDE_BUDGET
from perf.measure.tiers import Effort
from perf.runs.tolerances import Tolerances

Case = tuple[str, str]
# Kinds of invocations that nothing was run beside.
QUIET = ("quiet", "injected")
# What an invocation of a confirmation takes in seconds beside its blocks, by family: starting, loading and warming up
# two workers or two jobs (docs/gate.md).
STARTING_S = {"cnn": 3.0, "rnn": 3.0, "dist": 10.0}
# Jobs are timed so many times as long (perf/dist/jobs.toml).
LONGER = {"dist": 3.0}


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A run as it might have been: for each case (a number tells copies of a workload apart) the invocations of now,
    the arm that ran in them, further ones for confirmations, and those of then with those of `late` to compare.
    """

    then: Mapping[Case, Sequence[RecordedInvocation]]
    now: Mapping[Case, Sequence[RecordedInvocation]]
    late: Mapping[Case, Sequence[RecordedInvocation]]
    more: Mapping[Case, Sequence[RecordedInvocation]]
    arm: Mapping[Case, str]
    workload: Mapping[Case, str]


@dataclass
class Result:
    """What the gate said of a run: the judgement of each case, and the seconds that confirmations took."""

    judgements: dict[Case, Judgement] = field(default_factory=dict)
    confirm_s: float = 0.0

    def count(self, kind: VerdictKind) -> int:
        return Counter(found.kind for found in self.judgements.values())[kind]


def draw_run(
    recordings: Recordings,
    workloads: Sequence[str],
    invocations: int,
    stored: int,
    draw: random.Random,
    kinds: Sequence[str] = QUIET,
) -> Drawn:
    """A run over these workloads (one may stand there several times). `invocations` of each are those of now, and all
    others may be confirmations: each is drawn once at most, since what is drawn twice would seem not to vary. `stored`
    of the baseline come from one half of the recorded time, and those of now that are compared with it, `late`, from
    the other.
    """
    then: dict[Case, Sequence[RecordedInvocation]] = {}
    now: dict[Case, Sequence[RecordedInvocation]] = {}
    late: dict[Case, Sequence[RecordedInvocation]] = {}
    more: dict[Case, Sequence[RecordedInvocation]] = {}
    of: dict[Case, str] = {}
    earlier = bool(draw.getrandbits(1))  # the same half for all cases: sessions are moments
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
    """The verdicts when every case runs another stack than the baseline: side by side, then confirmations, depth first,
    while their budget lasts.
    """
    result = Result()
    samples = {case: _side_by_side(case, run, run.now[case]) for case in run.now}
    level = len(samples)
    given_up: set[Case] = set()

    def judged(case: Case) -> Judgement:
        family = family_of(case)
        assumed = tolerances.assumed_of(family)
        alike = [variance_of(values) for other, values in samples.items() if family_of(other) == family]
        prior = prior_of(alike, assumed.prior(assumed.side_by_side))
        return judge_side_by_side(samples[case], prior, tolerances.of(family, ""), level)

    result.judgements = {case: judged(case) for case in samples}
    while suspects := [
        case for case, found in result.judgements.items() if found.kind == "inconclusive" and case not in given_up
    ]:
        suspect = min(suspects, key=lambda case: _change(result.judgements[case]))
        taken = 0
        for _ in range(1, MAX_EVALUATIONS):
            if result.confirm_s >= effort.confirm_budget_s:
                return result
            extra = run.more[suspect][taken : taken + effort.confirm_invocations]
            taken += effort.confirm_invocations
            if not extra:
                break  # nothing more was recorded
            result.confirm_s += len(extra) * _seconds(suspect, effort)
            samples[suspect] = [*samples[suspect], *_side_by_side(suspect, run, extra)]
            result.judgements[suspect] = judged(suspect)
            if result.judgements[suspect].kind != "inconclusive":
                break
        given_up.add(suspect)
    return result


def judge_same_stack(run: Drawn, tolerances: Tolerances, recordings: Recordings) -> Result:
    """The verdicts when every case runs the baseline's stack: its speedup over the reference, then and now."""
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
        alike = [(o.variance, o.degrees) for other, (o, _) in pairs.items() if o and family_of(other) == family]
        prior = prior_of(alike, assumed.prior(assumed.invocations))
        sessions = assumed.prior(assumed.sessions)
        judgements[case] = judge_drift(now, then, prior, sessions, tolerances.of(family, ""), len(pairs))
    return Result(judgements)


def family_of(case: Case) -> str:
    """The family of a case, by its workload's name."""
    return "dist" if case[0].startswith("train-") else "rnn" if case[0].startswith(("lstm", "rnn")) else "cnn"


def _seconds(case: Case, effort: Effort) -> float:
    family = family_of(case)
    return BESIDE_BUDGET * LONGER.get(family, 1.0) * effort.block_budget_s + STARTING_S[family]


def _side_by_side(case: Case, run: Drawn, invocations: Sequence[RecordedInvocation]) -> list[float]:
    return _ratios(invocations, case[1] + TWIN, run.arm[case])


def _ratios(invocations: Sequence[RecordedInvocation], over: str, variant: str) -> list[float]:
    found = [log_ratio(invocation, over, variant) for invocation in invocations]
    return [value for value in found if value is not None]


def _change(judgement: Judgement) -> float:
    return judgement.change.log_ratio if judgement.change else 0.0
