"""The gate: compare a run with its baseline, case by case, and note what else differs between the two."""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from perf.judge.judgement import Judgement, Tolerance, judge_drift, judge_side_by_side
from perf.judge.speedup import Estimate, ObservedRatio, estimate_speedup
from perf.runs.groups import RunVerdicts, judge_groups
from perf.runs.schema import RunContext, StoredCase, StoredRun
from perf.runs.tolerances import ToleranceEntry, Tolerances
from perf.runs.variances import Priors, SessionVariances, priors_of
from perf.runs.verdict import GRAVITY, Ratio, Verdict
from perf.stack import DECISIVE, build_changes, differences, differing
from perf.wording import counted


@dataclass(frozen=True)
class Gate:
    """Judges the cases of a run by a baseline.

    `name` is the baseline's name in messages, and `baseline` the stored run, or None for the published tables.
    `context` describes the run that is judged. `tolerances` say which changes matter, and `comparisons` is the number
    of ratios that are judged in the whole run. `sessions` holds the variances between sessions. `ignored` are the files
    in the baseline's folder that belong to other machine classes or cannot be read. `problem` is always None: a
    baseline that cannot be used has no gate.
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
        """True: there is a baseline to compare with."""
        return True

    def lines(self) -> list[str]:
        """Return lines with the baseline, the variances between sessions, the marked tolerances, and the settings that
        changed since.
        """
        stored = f", stored {self.baseline.datetime[:16]}" if self.baseline else ""
        return [
            f"Compared with {self._source}{stored}. {self.sessions.text}",
            *(f"{self.name}: {line}" for line in (self.baseline.perf.origin if self.baseline else [])),
            *([f"Ignored in the baseline's folder: {', '.join(self.ignored)}."] if self.ignored else []),
            *(f"Tolerance by the marker perf: {text} ({counted(n, 'case')})." for text, n in self._marks.items()),
            *(f"Machine setting changed since the baseline: {change}" for change in self.settings_changed),
        ]

    @property
    def marked(self) -> Mapping[str, ToleranceEntry]:
        """The tolerances that items of this run were marked with, by case."""
        return self.context.tolerances

    @property
    def _marks(self) -> Counter[str]:
        return Counter(entry.text for entry in self.marked.values())

    @cached_property
    def settings_changed(self) -> list[str]:
        """The settings of the machine that differ from the baseline's, each as "name: then -> now"."""
        return _differences(self.baseline.perf.settings, self.context.settings) if self.baseline else []

    @cached_property
    def same_machine(self) -> bool:
        """Whether absolute times can be compared: the same machine with the same settings."""
        return (
            self.baseline is not None
            and self.context.host_id is not None
            and self.baseline.perf.host_id == self.context.host_id
            and not self.settings_changed
        )

    def undecided(self, case: StoredCase, priors: Mapping[str, Priors]) -> float | None:
        """Return the apparent slowdown, log(now/then) of the latency, of a case whose side-by-side measurement is
        inconclusive, so that it needs remeasuring; None for any other case.
        """
        then = self._then.get(case.name)
        if then is None or case.side_by_side is None or not case.side_by_side.values or not self._compares(case, then):
            return None
        judgement = self._side_by_side(case, priors[case.family])
        return -judgement.change.log_ratio if judgement.kind == "inconclusive" and judgement.change else None

    def verdict(self, case: StoredCase, priors: Mapping[str, Priors]) -> Verdict | None:
        """Return the verdict on a case, with the priors by family; None for a reference: it has no ratio to judge."""
        return self._verdict(case, priors[case.family])

    def _verdict(self, case: StoredCase, priors: Priors) -> Verdict | None:
        if self.baseline is None:
            return self._by_published(case, priors) if case.samples else None
        then = self._then.get(case.name)
        if then is None:
            return Verdict(case.name, "no-baseline", self._no_such_case) if case.samples else None
        latency_ratio = case.latency_s / then.latency_s if self.same_machine else None
        changes = (*differences(then.stack, case.stack), *_differences_over(then, case))
        ratios = tuple(self._ratios(case, then, priors))
        changed = build_changes(then.stack, case.stack)
        missing: tuple[str, ...] = ()
        if case.side_by_side is not None and self._compares(case, then):
            judgement = self._side_by_side(case, priors)
            missing = tuple(differences(then.stack, case.side_by_side.stack))
            kind, reason = judgement.kind, judgement.reason or "measured side by side with the baseline's stack"
            lacking = sorted(_decisive(differing(then.stack, case.side_by_side.stack)))
            if lacking and kind in {"ok", "improved"}:
                kind, reason = "inconclusive", f"the baseline arm lacked the baseline's {', '.join(lacking)}"
            verdict = Verdict(case.name, kind, _because(reason, changes), ratios, judgement)
        elif changed:
            verdict = self._without_baseline_arm(case, ratios, changes)
        elif not case.samples:
            return (
                Verdict(case.name, "invalid", "it has no speedup, but the baseline has one") if then.samples else None
            )
        else:
            verdict = self._same_stack(case, then, ratios, changes)
        return replace(verdict, latency_ratio=latency_ratio, changes=changes, missing=missing)

    def judged(self, cases: Sequence[StoredCase]) -> RunVerdicts:
        """Return the verdicts on all cases of a run, and on groups of those that ran the baseline's stack."""
        priors = priors_of(cases, self.tolerances)
        judged = {case.name: self.verdict(case, priors) for case in cases}
        verdicts = {name: verdict for name, verdict in judged.items() if verdict is not None}
        verdicts |= {case.name: gone for case in cases if (gone := self._ratio_gone(case, judged))}
        if self.baseline is None:
            return RunVerdicts(verdicts)
        return judge_groups(cases, verdicts, self.sessions, self.tolerances)

    def _ratio_gone(self, case: StoredCase, names: Collection[str]) -> Verdict | None:
        """Return `invalid` for a case without a ratio that the baseline has, although its reference was measured."""
        then = self._then.get(case.name)
        gone = [
            reference
            for reference in (then.samples if then and case.samples else ())
            if reference not in case.samples
            and (reference == case.reference or f"{case.workload}-{reference}" in names)
        ]
        return Verdict(case.name, "invalid", f"its ratio over {', '.join(gone)} is missing") if gone else None

    def only_then(self, selected: Collection[str]) -> list[str]:
        """Return the names of the baseline's cases that were not selected."""
        return sorted(set(self._then) - set(selected))

    @property
    def _source(self) -> str:
        return self.name if self.baseline else "the published tables"

    @property
    def _no_such_case(self) -> str:
        return f"{self._source} {'does' if self.baseline else 'do'} not contain this case"

    @cached_property
    def _then(self) -> Mapping[str, StoredCase]:
        return self.baseline.cases if self.baseline else {}

    @staticmethod
    def _compares(case: StoredCase, then: StoredCase) -> bool:
        """Return whether the baseline arm shows something about the difference of the stacks: it had some part of the
        baseline's stack that the case does not have, and no decisive part that neither of the two has.
        """
        if case.side_by_side is None or case.side_by_side.problem:
            return False
        changed = build_changes(then.stack, case.stack)
        lacking = differing(then.stack, case.side_by_side.stack)
        foreign = lacking & differing(case.stack, case.side_by_side.stack)
        return not changed <= lacking and not _decisive(foreign)

    def _side_by_side(self, case: StoredCase, priors: Priors) -> Judgement:
        values = case.side_by_side.values if case.side_by_side else []
        return judge_side_by_side(values, priors.side_by_side, self.tolerance_of(case), self.comparisons)

    def _same_stack(
        self, case: StoredCase, then: StoredCase, ratios: tuple[Ratio, ...], changes: tuple[str, ...]
    ) -> Verdict:
        if not ratios:
            same_variant = any(name in then.samples for name in case.samples)
            what = "stack of its reference" if same_variant else "reference variant"
            reason = f"it was measured against another {what} than the baseline's"
            return Verdict(case.name, "invalid", _because(reason, changes))
        gravest = max(ratios, key=lambda ratio: GRAVITY.index(ratio.judgement.kind)).judgement
        if gravest.kind == "drifted":
            changed = [*changes, *self.settings_changed] or ["no recorded machine setting"]
            return Verdict(case.name, "drifted", _because(f"same stack, {gravest.reason}", changed), ratios)
        if gravest.kind == "invalid" and case.invocations_disturbed:
            count = counted(case.invocations_disturbed, "invocation")
            reason = f"every invocation was disturbed by other programs or the hypervisor ({count})"
            return Verdict(case.name, "invalid", _because(reason, changes), ratios)
        reason = gravest.reason or f"same stack; {_detectable(gravest, 'drift')}"
        return Verdict(case.name, gravest.kind, _because(reason, changes), ratios)

    def _without_baseline_arm(self, case: StoredCase, ratios: tuple[Ratio, ...], changes: tuple[str, ...]) -> Verdict:
        """Return the verdict on another stack that was not measured side by side with the baseline's: from a stored
        ratio alone, a change of the build cannot be distinguished from one of the machine.
        """
        problem = case.side_by_side.problem if case.side_by_side else None
        cause = f" ({problem})" if problem else ""
        reason = f"the stack changed, and the baseline's stack was not measured side by side{cause}"
        gravest = max((ratio.judgement for ratio in ratios), key=lambda j: GRAVITY.index(j.kind), default=None)
        if gravest is not None and gravest.kind == "drifted":
            reason = f"{reason}, so the machine or the build may be the cause; {gravest.reason}"
            return Verdict(case.name, "drifted", _because(reason, changes), ratios)
        if gravest is not None and gravest.kind == "ok":
            reason = f"{reason}; {_detectable(gravest, 'change')}"
        return Verdict(case.name, "inconclusive", _because(reason, changes), ratios)

    def _by_published(self, case: StoredCase, priors: Priors) -> Verdict:
        now = case.samples[case.reference].observed
        if case.published is None:
            return Verdict(case.name, "no-baseline", self._no_such_case)
        then = ObservedRatio(math.log(case.published), 0.0, 1)  # its error was not published
        sessions, tolerance = self.sessions.priors[case.family], self.tolerances.published
        judgement = judge_drift(now, then, priors.within, sessions, tolerance, self.comparisons)
        kind = judgement.kind
        if judgement.change is not None and kind == "drifted":
            kind = "regressed" if judgement.change.log_ratio < 0 else "improved"
        ratio = Ratio(case.reference, replace(judgement, kind=kind), _estimate(now, priors), _estimate(then, priors))
        return Verdict(case.name, kind, judgement.reason or _detectable(judgement, "loss"), (ratio,))

    def _ratios(self, case: StoredCase, then: StoredCase, priors: Priors) -> Iterable[Ratio]:
        """Yield the ratios whose reference ran the same stack then and now."""
        for reference, sample in case.samples.items():
            stored = then.samples.get(reference)
            if stored is None or build_changes(stored.over, sample.over):
                continue
            sessions = self.sessions.of(case.family, case.name, reference)
            tolerance = self.tolerance_of(case)
            now, before = sample.observed, stored.observed
            judgement = judge_drift(now, before, priors.within, sessions, tolerance, self.comparisons)
            yield Ratio(reference, judgement, _estimate(now, priors), _estimate(before, priors))

    def tolerance_of(self, case: StoredCase) -> Tolerance:
        """Return the tolerance by which a case is judged."""
        return self.tolerances.of(case.family, case.name, self.marked.get(case.name))


def comparisons_of(selected: Collection[str], baseline: StoredRun | None) -> int:
    """Return how many ratios are judged if the cases named `selected` are; at least one."""
    if baseline is None:
        return max(1, len(selected))
    return max(1, sum(max(1, len(case.samples)) for name, case in baseline.cases.items() if name in selected))


def _differences_over(then: StoredCase, now: StoredCase) -> list[str]:
    """Return what changed in the stacks of a case's references and not in its own."""
    own = differences(then.stack, now.stack)
    return [
        f"{reference}: {difference}"
        for reference, sample in now.samples.items()
        if reference in then.samples
        for difference in differences(then.samples[reference].over, sample.over)
        if difference not in own
    ]


def _decisive(names: Collection[str]) -> set[str]:
    """Return those of a stack's fields, or of their keys, that make a build faster or slower."""
    return {name for name in names if name.partition(" ")[0] in DECISIVE}


def _because(reason: str, changes: Collection[str]) -> str:
    return f"{reason}; changed: {'; '.join(changes)}" if changes else reason


def _detectable(judgement: Judgement, what: str) -> str:
    if judgement.smallest_loss is None:
        return "its variance is unknown"
    return f"a {what} of {judgement.smallest_loss:.1%} or more would have been detected"


def _estimate(observed: ObservedRatio | None, priors: Priors) -> Estimate | None:
    return estimate_speedup(observed, priors.within) if observed else None


def _differences(then: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    names = [*then, *(name for name in now if name not in then)]
    return [
        f"{name}: {then.get(name, 'not recorded')} -> {now.get(name, 'not recorded')}"
        for name in names
        if then.get(name) != now.get(name)
    ]
