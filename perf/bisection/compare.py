"""The steps of a bisection: compare one wheel with the first one until that is decided, and store the answer."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from perf.bisection.search import Answer, next_wheel
from perf.bisection.session import FIRST, INVOCATIONS, Measured
from perf.bisection.state import Bisection, Step, add_step, answers_of, read_steps
from perf.judge.change import CONFIDENCE, Change
from perf.judge.judgement import VerdictKind
from perf.runs.judges import make_gate
from perf.runs.schema import FEW, StoredCase, StoredRun
from perf.runs.tolerances import Tolerances
from perf.runs.verdict import Verdict
from perf.wording import counted

# Measures a wheel, by its number, in its first, second, ... session.
Measure = Callable[[int, int], Measured]
# The answers that verdicts side by side give; any other verdict leaves a wheel undecided.
ANSWERS: Mapping[VerdictKind, Answer] = {"regressed": "slower", "ok": "not slower", "improved": "not slower"}


@dataclass(frozen=True)
class WheelJudge:
    """Judges wheels by the run of the first one, the `baseline`. `tolerances` say which losses matter, and `wheels` is
    the number of wheels that may be compared.
    """

    baseline: StoredRun
    tolerances: Tolerances
    wheels: int

    def verdict(self, run: StoredRun, case: StoredCase) -> Verdict:
        """Return the verdict on a case of a run.

        The gate's error of 1 in 100 is divided among all sessions of all wheels that may be compared (Bonferroni), on
        top of the evaluations of each session. Likewise the 5 % with which `ok` misses a loss of the resolution are
        divided among the wheels: a wrong "not slower" would send the search the wrong way.
        """
        gate = make_gate(FIRST.name, self.baseline, run.perf, [case.name], [case.family], self.tolerances, [])
        gate = replace(gate, comparisons=self.wheels * len(INVOCATIONS))
        verdict = gate.judged([case]).verdicts[case.name]
        change = verdict.side_by_side.change if verdict.side_by_side else None
        if verdict.kind != "ok" or change is None:
            return verdict
        low, _ = change.interval(1 - (1 - CONFIDENCE) / self.wheels)
        resolution = gate.tolerance_of(case).resolution
        if low > 1 - resolution:
            return verdict
        reason = f"a loss of {resolution:.0%} cannot be excluded at the level of the whole bisection"
        return replace(verdict, kind="inconclusive", reason=reason)

    def step(self, wheel: int, measure: Measure) -> Step:
        """Return the step on a wheel. What a session leaves undecided is measured again in a longer one, and judged
        together with what was measured before.
        """
        started_s = time.monotonic()
        values: list[float] = []
        for session in range(1, len(INVOCATIONS) + 1):
            measured = measure(wheel, session)
            if measured.case is not None and measured.case.side_by_side is not None:
                values += measured.case.side_by_side.values
            answer, reason, change = self._answer(measured, values)
            if answer != "undecided" or measured.case is None:
                break
        low, high = change.interval() if change else (None, None)
        return Step(
            wheel=wheel,
            answer=answer,
            reason=reason,
            change=change.ratio if change else None,
            change_low=low,
            change_high=high,
            values=values,
            sessions=session,
            seconds=round(time.monotonic() - started_s, 1),
        )

    def _answer(self, measured: Measured, values: Sequence[float]) -> tuple[Answer, str, Change | None]:
        """The answer that a session and the `values` of the sessions so far give, with its reason and the change."""
        case = measured.case
        if measured.run is None or case is None:
            return "undecided", measured.problem, None
        if case.side_by_side is None:
            return "not slower", "it is the same stack as the first wheel's", None
        pooled = msgspec.structs.replace(case.side_by_side, values=list(values))
        verdict = self.verdict(measured.run, msgspec.structs.replace(case, side_by_side=pooled))
        change = verdict.side_by_side.change if verdict.side_by_side else None
        if case.side_by_side.problem:
            return "undecided", f"the first wheel could not run side by side: {case.side_by_side.problem}", change
        if len(values) < FEW:
            return "undecided", f"it has {counted(len(values), 'undisturbed invocation')}; {FEW} are needed", change
        return ANSWERS.get(verdict.kind, "undecided"), verdict.reason.partition("; changed: ")[0], change


def steps_of(folder: Path, bisection: Bisection, judge: WheelJudge, measure: Measure) -> Iterator[Step]:
    """Yield the steps of a bisection: those that the folder holds, then each missing one as soon as it is stored.

    Raises PerfError when a step cannot be read or written, or a session fails.
    """
    steps = read_steps(folder, bisection)
    yield from steps
    while (wheel := next_wheel(len(bisection.wheels), answers_of(steps))) is not None:
        step = judge.step(wheel, measure)
        add_step(folder, step)
        steps.append(step)
        yield step
