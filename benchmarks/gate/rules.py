"""Does a case count as slower? The gate and three rules of other tools, as functions of the same invocations."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scipy.stats import mannwhitneyu, ttest_ind

from benchmarks.gate.recording import RecordedInvocation
from benchmarks.gate.samples import latencies_ns, log_speedup
from perf.judge.spread import Spread
from perf.judge.verdict import LOOKS, Kind, Then, Tolerance, judge, settle
from perf.plugin.outcome import OF_BASELINE


@dataclass(frozen=True)
class Trial:
    """One comparison: `then` the baseline's invocations, `first` and `again` those of now; `slowed` is the variant that
    ran now, `variant` the one that ran then, both judged over `reference`. `alike` are as many invocations as `first`
    and `again`, all measured as the baseline's were: rules on absolute times see those, since a second look runs among
    other neighbours, and they would judge that.
    """

    then: Sequence[RecordedInvocation]
    first: Sequence[RecordedInvocation]
    again: Sequence[RecordedInvocation]
    alike: Sequence[RecordedInvocation]
    reference: str
    variant: str
    slowed: str

    @staticmethod
    def speedups(invocations: Sequence[RecordedInvocation], reference: str, variant: str) -> list[float]:
        """The log speedups of the invocations that had undisturbed blocks."""
        found = [log_speedup(invocation, reference, variant) for invocation in invocations]
        return [value for value in found if value is not None]

    def latencies(self) -> tuple[list[int], list[int]]:
        """All slots' latencies in ns, then and now."""
        then = [ns for slots in latencies_ns(self.then, self.variant) for ns in slots]
        return then, [ns for slots in latencies_ns(self.alike, self.slowed) for ns in slots]


def verdict(trial: Trial, spread: Spread, tolerance: Tolerance, comparisons: int) -> tuple[Kind, int]:
    """The gate's verdict, and how many invocations it took: a first look against the baseline and, when that does not
    settle it, up to `LOOKS` parts of `again`, side by side with the baseline's own wheel.
    """
    first = trial.speedups(trial.first, trial.reference, trial.slowed)
    then = Then(trial.speedups(trial.then, trial.reference, trial.variant), spread)
    kind = judge(first, [], then, tolerance, comparisons).kind
    if kind != "inconclusive":
        return kind, len(trial.first)
    step = len(trial.again) // LOOKS
    for taken in range(step, len(trial.again) + 1, step):
        beside = trial.speedups(trial.again[:taken], trial.variant + OF_BASELINE, trial.slowed)
        kind = settle(beside, spread, tolerance, comparisons).kind if beside else "inconclusive"
        if kind != "inconclusive":
            break
    return kind, len(trial.first) + taken


def pytest_benchmark_median(trial: Trial) -> bool:
    """`--benchmark-compare-fail=median:5%` (pytest-benchmark 5.3.1, utils.PercentageRegressionCheck)."""
    then, now = trial.latencies()
    return statistics.median(now) / statistics.median(then) * 100 - 100 > 5


def asv(trial: Trial) -> bool:
    """Asv's rule: Mann-Whitney at p < 0.002, and the medians differ by a factor of 1.05 (asv 0.6: `is_different` in
    asv/_stats.py, `_is_result_better` in asv/commands/compare.py).
    """
    then, now = trial.latencies()
    significant = mannwhitneyu(now, then, alternative="two-sided").pvalue < 0.002
    return bool(significant) and statistics.median(now) > 1.05 * statistics.median(then)


def pyperf(trial: Trial) -> bool:
    """Pyperf's rule: Student's two-sample t-test at 95 %, and a larger mean (pyperf 2, `is_significant` in
    pyperf/_utils.py).
    """
    then, now = trial.latencies()
    slower = statistics.fmean(now) > statistics.fmean(then)
    return bool(ttest_ind(now, then).pvalue < 0.05) and slower


OTHERS: dict[str, Callable[[Trial], bool]] = {
    "--benchmark-compare-fail=median:5%": pytest_benchmark_median,
    "asv: Mann-Whitney and factor 1.05": asv,
    "pyperf: t-test at 95 %": pyperf,
}
