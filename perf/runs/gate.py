"""A run against its baseline: a verdict for every case, and what else differs between the two."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from perf.judge.speedup import Estimate, estimate_speedup
from perf.judge.spread import NO_PRIOR, Spread, fit_spread
from perf.judge.verdict import Judgement, Kind, Then, Tolerance, judge, settle
from perf.runs.document import CONTROL, Case, Context, Run
from perf.runs.tolerances import Tolerances

# A case's verdict is the gravest of its ratios' verdicts.
GRAVITY: tuple[Kind, ...] = ("ok", "improved", "no-baseline", "inconclusive", "invalid", "regressed")
# Verdicts that say nothing about a case.
UNJUDGED: frozenset[Kind] = frozenset({"no-baseline", "inconclusive", "invalid"})


@dataclass(frozen=True)
class Ratio:
    """One judged ratio of a case: its speedup over `reference`, now and then."""

    reference: str
    judgement: Judgement
    now: Estimate | None
    then: Estimate | None


@dataclass(frozen=True)
class Verdict:
    """What is said of a case, with its reason. `beside` is the judgement of a second look side by side with the wheel
    that the baseline was measured with. `latency_ratio` is the latency now over the latency then, where the two can be
    compared: on the same machine with the same settings. `changes` is what differs from the baseline in this case only.
    """

    case: str
    kind: Kind
    reason: str
    ratios: tuple[Ratio, ...] = ()
    beside: Judgement | None = None
    beside_wheel: str | None = None
    latency_ratio: float | None = None
    changes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Gate:
    """A baseline, ready to judge the cases of a run by. `baseline` is None for the published tables. `comparisons` is
    how many ratios the whole run will have judged; `name` is what the baseline is called in messages.
    """

    name: str
    baseline: Run | None
    context: Context
    tolerances: Tolerances
    comparisons: int

    @cached_property
    def incomparable(self) -> str:
        """Why no case of this run can be judged by the baseline; "" when they can."""
        if self.baseline is None:
            return ""
        then, now = dict(self.baseline.perf.comparable), dict(self.context.comparable)
        if CONTROL not in then or CONTROL not in now:
            # Either run holds no case that is judged over it.
            then.pop(CONTROL, None)
            now.pop(CONTROL, None)
        return "; ".join(_differences(then, now))

    @cached_property
    def changes(self) -> list[str]:
        """What is different on the machine and in the builds since the baseline, each as "name: then -> now"."""
        if self.baseline is None:
            return []
        then, now = self.baseline.perf, self.context
        return [
            *(f"wheel of {name}" for name in _differences(then.wheels, now.wheels)),
            *_differences(then.settings, now.settings),
        ]

    @cached_property
    def same_machine(self) -> bool:
        """Whether absolute times may be compared: the same machine with the same settings."""
        return (
            self.baseline is not None
            and self.context.host_id is not None
            and self.baseline.perf.host_id == self.context.host_id
            and self.baseline.perf.settings == self.context.settings
        )

    @cached_property
    def spread(self) -> Spread:
        """What the baseline's cases say about the variance between invocations."""
        return fit_spread(_samples(self.baseline)) if self.baseline else NO_PRIOR

    @cached_property
    def _then(self) -> Mapping[str, Case]:
        return self.baseline.cases if self.baseline else {}

    def unsettled(self, case: Case) -> float | None:
        """How much slower a case seems that must be measured (once more) again before it is judged: the log of then
        over now, negative when it seems faster. None when it need not be.
        """
        if self.incomparable or not case.samples:
            return None
        judgements = [self._beside(case)] if case.beside else [ratio.judgement for ratio in self._ratios(case)]
        changes = [found.change.log_ratio for found in judgements if found.kind == "inconclusive" and found.change]
        return -min(changes) if changes else None

    def verdict(self, case: Case) -> Verdict:
        """The verdict on a case that has something to be judged: `samples` must not be empty."""
        if self.incomparable:
            return Verdict(case.name, "invalid", f"measured under other conditions: {self.incomparable}")
        ratios = self._ratios(case)
        then = self._then.get(case.name)
        latency_ratio = case.latency_s / then.latency_s if then and self.same_machine else None
        changes = tuple(_differences({"program": then.program}, {"program": case.program})) if then else ()
        if case.beside:
            beside = self._beside(case)
            reason = beside.reason or "the wheel of the baseline moved with it: the machine changed, not the build"
            return Verdict(
                case.name, beside.kind, reason, tuple(ratios), beside, case.beside_wheel, latency_ratio, changes
            )
        gravest = max(ratios, key=lambda ratio: GRAVITY.index(ratio.judgement.kind)).judgement
        reason = gravest.reason
        if gravest.kind == "invalid" and case.invocations_disturbed:
            reason = f"other programs or the hypervisor disturbed all {case.invocations_disturbed} invocations"
        if gravest.kind == "no-baseline":
            reason = f"{self.name} does not hold it"
        return Verdict(case.name, gravest.kind, reason, tuple(ratios), latency_ratio=latency_ratio, changes=changes)

    def only_then(self, selected: Collection[str]) -> list[str]:
        """The baseline's cases that were not selected, by name."""
        return sorted(set(self._then) - set(selected))

    def _beside(self, case: Case) -> Judgement:
        return settle(case.beside, self.spread, self._tolerance(case), self.comparisons)

    def _ratios(self, case: Case) -> list[Ratio]:
        main, *others = case.samples
        # What was once stored without a ratio (its other variant not selected) is judged by those it has.
        judged = [main, *(other for other in others if self._of(case, other).values)]
        ratios = [self._ratio(case, reference) for reference in judged]
        return [_excused(ratio, ratios[0], case) for ratio in ratios]

    def _ratio(self, case: Case, reference: str) -> Ratio:
        sample, then = case.samples[reference], self._of(case, reference)
        found = judge(sample.first, sample.again, then, self._tolerance(case), self.comparisons)
        return Ratio(reference, found, _estimate([*sample.first, *sample.again]), _estimate(then.values))

    def _of(self, case: Case, reference: str) -> Then:
        if self.baseline is None:
            known = case.published_speedup is not None and reference == case.reference
            return Then([math.log(case.published_speedup or 1)] if known else [], NO_PRIOR, exact=True)
        then = self._then.get(case.name)
        sample = then.samples.get(reference) if then else None
        return Then([*sample.first, *sample.again] if sample else [], self.spread)

    def _tolerance(self, case: Case) -> Tolerance:
        return self.tolerances.of(case.family, case.name) if self.baseline else self.tolerances.published


def fails(kind: Kind, *, strict: bool) -> bool:
    """Whether a case with this verdict fails; `strict` wants every case judged."""
    return kind == "regressed" or (strict and kind in UNJUDGED)


def comparisons_of(selected: Collection[str], baseline: Run | None) -> int:
    """How many ratios will be judged when the cases named `selected` are; at least one."""
    if baseline is None:
        return max(1, len(selected))
    return max(1, sum(len(case.samples) for name, case in baseline.cases.items() if name in selected))


def _excused(ratio: Ratio, main: Ratio, case: Case) -> Ratio:
    """A change of INT8 over FP32 is FP32's own doing when INT8 over native did not move that way."""
    change, moved = ratio.judgement.change, main.judgement.change
    if ratio is main or change is None or moved is None or ratio.judgement.kind not in {"regressed", "improved"}:
        return ratio
    if change.log_ratio * moved.log_ratio > 0:
        return ratio
    why = f"{ratio.reference} changed, and {case.variant} over {main.reference} did not move with it"
    return replace(ratio, judgement=replace(ratio.judgement, kind="ok", reason=why))


def _estimate(log_speedups: Collection[float]) -> Estimate | None:
    return estimate_speedup([[value] for value in log_speedups]) if log_speedups else None


def _samples(run: Run) -> list[list[float]]:
    return [[*s.first, *s.again] for case in run.cases.values() for s in case.samples.values()]


def _differences(then: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    names = [*then, *(name for name in now if name not in then)]
    return [
        f"{name}: {then.get(name, 'not there')} -> {now.get(name, 'not there')}"
        for name in names
        if then.get(name) != now.get(name)
    ]
