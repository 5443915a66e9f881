"""A run against its baseline: a verdict for every case, and what else differs between the two."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from perf.judge.judgement import Judgement, Tolerance, judge_drift, judge_side_by_side
from perf.judge.speedup import Estimate, ObservedRatio, estimate_speedup
from perf.judge.variance_prior import VariancePrior, prior_of, variance_of
from perf.runs.groups import RunVerdicts, judge_groups
from perf.runs.schema import RunContext, StoredCase, StoredRun
from perf.runs.sessions import SessionVariances
from perf.runs.tolerances import Tolerances
from perf.runs.verdict import GRAVITY, Ratio, Verdict
from perf.stack import DECISIVE, OF_THE_SUITE, differences, differing


@dataclass(frozen=True)
class Priors:
    """What a family's cases in a run say about variances between invocations: of speedups, and side by side."""

    within: VariancePrior
    side_by_side: VariancePrior


@dataclass(frozen=True)
class Gate:
    """A baseline, ready to judge the cases of a run by. `baseline` is None for the published tables. `comparisons` is
    how many ratios the whole run will have judged; `name` is what the baseline is called in messages; `sessions` is
    how much stored speedups vary from session to session; `ignored` are files of other classes beside the baseline.
    """

    name: str
    baseline: StoredRun | None
    context: RunContext
    tolerances: Tolerances
    comparisons: int
    sessions: SessionVariances
    ignored: tuple[str, ...] = ()
    problem: None = None

    @property
    def compares(self) -> bool:
        """True."""
        return True

    def lines(self) -> list[str]:
        """What the baseline is, how much speedups vary between sessions, and which settings changed since."""
        when = f", stored {self.baseline.datetime[:16]}" if self.baseline else ""
        return [
            f"Judged by {self.name}{when}. {self.sessions.text}",
            *([f"Ignored there: {', '.join(self.ignored)}."] if self.ignored else []),
            *(f"changed since then: {change}" for change in self.settings_changed),
        ]

    @cached_property
    def settings_changed(self) -> list[str]:
        """Which settings of the machine differ from the baseline's, each as "name: then -> now"."""
        return _differences(self.baseline.perf.settings, self.context.settings) if self.baseline else []

    @cached_property
    def same_machine(self) -> bool:
        """Whether absolute times may be compared: the same machine with the same settings."""
        return (
            self.baseline is not None
            and self.context.host_id is not None
            and self.baseline.perf.host_id == self.context.host_id
            and not self.settings_changed
        )

    def undecided(self, case: StoredCase, priors: Mapping[str, Priors]) -> float | None:
        """The apparent log slowdown of a case that side by side left undecided; None of any other, and of one whose
        twin says nothing.
        """
        then = self._then.get(case.name)
        if then is None or case.side_by_side is None or not case.side_by_side.values or not self._compares(case, then):
            return None
        found = self._side_by_side(case, priors[case.family])
        return -found.change.log_ratio if found.kind == "inconclusive" and found.change else None

    def verdict(self, case: StoredCase, priors: Mapping[str, Priors]) -> Verdict | None:
        """The verdict on a case, with the priors of each family; None for a reference that nothing is said of."""
        return self._verdict(case, priors[case.family])

    def _verdict(self, case: StoredCase, priors: Priors) -> Verdict | None:
        if self.baseline is None:
            return self._by_published(case, priors) if case.samples else None
        then = self._then.get(case.name)
        if then is None:
            return Verdict(case.name, "no-baseline", f"{self.name} does not hold it") if case.samples else None
        latency_ratio = case.latency_s / then.latency_s if self.same_machine else None
        changes = (*differences(then.stack, case.stack), *_differences_over(then, case))
        ratios = tuple(self._ratios(case, then, priors))
        changed = differing(then.stack, case.stack) - OF_THE_SUITE
        missing: tuple[str, ...] = ()
        if case.side_by_side is not None and self._compares(case, then):
            found = self._side_by_side(case, priors)
            missing = tuple(differences(then.stack, case.side_by_side.stack))
            reason, kind = found.reason or "side by side with the baseline's stack", found.kind
            lacking = sorted(_decisive(differing(then.stack, case.side_by_side.stack)))
            if lacking and kind in {"ok", "improved"}:
                kind, reason = "inconclusive", f"what ran beside it lacked {', '.join(lacking)} of the baseline's stack"
            verdict = Verdict(case.name, kind, _because(reason, changes), ratios, found)
        elif changed:
            verdict = self._without_twin(case, ratios, changes)
        elif not case.samples:
            return Verdict(case.name, "invalid", "it has no speedups, and the baseline has") if then.samples else None
        else:
            verdict = self._same_stack(case, then, ratios, changes)
        return replace(verdict, latency_ratio=latency_ratio, changes=changes, missing=missing)

    def judged(self, cases: Sequence[StoredCase]) -> RunVerdicts:
        """The verdicts on all cases of a run, and on those of the baseline's stack together."""
        priors = priors_of(cases, self.tolerances)
        found = {case.name: self.verdict(case, priors) for case in cases}
        verdicts = {name: verdict for name, verdict in found.items() if verdict is not None}
        verdicts |= {case.name: gone for case in cases if (gone := self._ratio_gone(case, found))}
        if self.baseline is None:
            return RunVerdicts(verdicts)
        return judge_groups(cases, verdicts, self.sessions, self.tolerances)

    def _ratio_gone(self, case: StoredCase, names: Collection[str]) -> Verdict | None:
        """That a case lacks a ratio that the baseline has, although the variant that it is over was measured."""
        then = self._then.get(case.name)
        gone = [
            reference
            for reference in (then.samples if then and case.samples else ())
            if reference not in case.samples
            and (reference == case.reference or f"{case.workload}-{reference}" in names)
        ]
        return Verdict(case.name, "invalid", f"its ratio over {', '.join(gone)} is gone") if gone else None

    def only_then(self, selected: Collection[str]) -> list[str]:
        """The baseline's cases that were not selected, by name."""
        return sorted(set(self._then) - set(selected))

    @cached_property
    def _then(self) -> Mapping[str, StoredCase]:
        return self.baseline.cases if self.baseline else {}

    @staticmethod
    def _compares(case: StoredCase, then: StoredCase) -> bool:
        """Whether something ran beside the case that had some of what the case has not of the baseline's stack, and
        nothing decisive that neither of the two had.
        """
        if case.side_by_side is None or case.side_by_side.problem:
            return False
        changed = differing(then.stack, case.stack) - OF_THE_SUITE
        lacking = differing(then.stack, case.side_by_side.stack)
        foreign = lacking & differing(case.stack, case.side_by_side.stack)
        return not changed <= lacking and not _decisive(foreign)

    def _side_by_side(self, case: StoredCase, priors: Priors) -> Judgement:
        values = case.side_by_side.values if case.side_by_side else []
        return judge_side_by_side(values, priors.side_by_side, self._tolerance(case), self.comparisons)

    def _same_stack(
        self, case: StoredCase, then: StoredCase, ratios: tuple[Ratio, ...], changes: tuple[str, ...]
    ) -> Verdict:
        if not ratios:
            other = any(name in then.samples for name in case.samples)
            why = "measured over another reference" if other else "its reference is another variant"
            return Verdict(case.name, "invalid", _because(why, changes))
        gravest = max(ratios, key=lambda ratio: GRAVITY.index(ratio.judgement.kind)).judgement
        if gravest.kind == "drifted":
            changed = [*changes, *self.settings_changed] or ["none of the machine's settings that are recorded"]
            return Verdict(case.name, "drifted", _because(f"same stack, {gravest.reason}", changed), ratios)
        if gravest.kind == "invalid" and case.invocations_disturbed:
            why = f"other programs or the hypervisor disturbed all {case.invocations_disturbed} invocations"
            return Verdict(case.name, "invalid", _because(why, changes), ratios)
        reason = gravest.reason or f"same stack; {_seen(gravest, 'drift')}"
        return Verdict(case.name, gravest.kind, _because(reason, changes), ratios)

    def _without_twin(self, case: StoredCase, ratios: tuple[Ratio, ...], changes: tuple[str, ...]) -> Verdict:
        """Another stack, and nothing of the baseline's to put beside it: a stored ratio cannot tell build and machine
        apart.
        """
        problem = case.side_by_side.problem if case.side_by_side else None
        why = f"the stack changed and the baseline's cannot run beside it{f' ({problem})' if problem else ''}"
        gravest = max((ratio.judgement for ratio in ratios), key=lambda j: GRAVITY.index(j.kind), default=None)
        if gravest is not None and gravest.kind == "drifted":
            return Verdict(
                case.name, "drifted", _because(f"{why}: machine or build, {gravest.reason}", changes), ratios
            )
        if gravest is not None and gravest.kind == "ok":
            why = f"{why}; {_seen(gravest, 'change')}"
        return Verdict(case.name, "inconclusive", _because(why, changes), ratios)

    def _by_published(self, case: StoredCase, priors: Priors) -> Verdict:
        now = case.samples[case.reference].observed
        if case.published is None:
            return Verdict(case.name, "no-baseline", f"{self.name} does not hold it")
        then = ObservedRatio(math.log(case.published), 0.0, 1)  # nothing is known of its error
        sessions, tolerance = self.sessions.priors[case.family], self.tolerances.published
        found = judge_drift(now, then, priors.within, sessions, tolerance, self.comparisons)
        kind = found.kind
        if found.change is not None and kind == "drifted":
            kind = "regressed" if found.change.log_ratio < 0 else "improved"
        ratio = Ratio(case.reference, replace(found, kind=kind), _estimate(now, priors), _estimate(then, priors))
        return Verdict(case.name, kind, found.reason or _seen(found, "loss"), (ratio,))

    def _ratios(self, case: StoredCase, then: StoredCase, priors: Priors) -> Iterable[Ratio]:
        """The stored ratios that are over the same stack now as then."""
        for reference, sample in case.samples.items():
            stored = then.samples.get(reference)
            if stored is None or differing(stored.over, sample.over) - OF_THE_SUITE:
                continue
            sessions = self.sessions.of(case.family, case.name, reference)
            tolerance = self._tolerance(case)
            now, before = sample.observed, stored.observed
            found = judge_drift(now, before, priors.within, sessions, tolerance, self.comparisons)
            yield Ratio(reference, found, _estimate(now, priors), _estimate(before, priors))

    def _tolerance(self, case: StoredCase) -> Tolerance:
        return self.tolerances.of(case.family, case.name)


def priors_of(cases: Iterable[StoredCase], tolerances: Tolerances) -> dict[str, Priors]:
    """What the cases of each family say about variances, the assumed ones where they are too few."""
    families: dict[str, list[StoredCase]] = {}
    for case in cases:
        families.setdefault(case.family, []).append(case)
    priors = {}
    for family, found in families.items():
        observed = [sample.observed for case in found for sample in case.samples.values()]
        within = [(known.variance, known.degrees) for known in observed if known]
        side_by_side = [variance_of(case.side_by_side.values) for case in found if case.side_by_side]
        assumed = tolerances.assumed_of(family)
        priors[family] = Priors(
            prior_of(within, assumed.prior(assumed.invocations)),
            prior_of(side_by_side, assumed.prior(assumed.side_by_side)),
        )
    return priors


def comparisons_of(selected: Collection[str], baseline: StoredRun | None) -> int:
    """How many ratios will be judged when the cases named `selected` are; at least one."""
    if baseline is None:
        return max(1, len(selected))
    return max(1, sum(max(1, len(case.samples)) for name, case in baseline.cases.items() if name in selected))


def _differences_over(then: StoredCase, now: StoredCase) -> list[str]:
    """What changed in the stacks that the case's speedups are over, where it makes them another reference."""
    found = []
    for reference, sample in now.samples.items():
        before = then.samples.get(reference)
        if before is not None and differing(before.over, sample.over) - OF_THE_SUITE:
            found += [f"{reference}: {difference}" for difference in differences(before.over, sample.over)]
    return found


def _decisive(names: Collection[str]) -> set[str]:
    """Those of a stack's fields, or of their keys, that make a build faster or slower."""
    return {name for name in names if name.partition(" ")[0] in DECISIVE}


def _because(reason: str, changes: Collection[str]) -> str:
    return f"{reason}; changed: {'; '.join(changes)}" if changes else reason


def _seen(judgement: Judgement, what: str) -> str:
    if judgement.smallest_loss is None:
        return "nothing is known of its variance"
    return f"a {what} of {judgement.smallest_loss:.1%} or more would have been seen"


def _estimate(observed: ObservedRatio | None, priors: Priors) -> Estimate | None:
    return estimate_speedup(observed, priors.within) if observed else None


def _differences(then: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    names = [*then, *(name for name in now if name not in then)]
    return [
        f"{name}: {then.get(name, 'not there')} -> {now.get(name, 'not there')}"
        for name in names
        if then.get(name) != now.get(name)
    ]
