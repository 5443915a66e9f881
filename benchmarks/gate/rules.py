"""Does a case count as slower? The gate and three rules of other tools, as functions of the same invocations."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scipy.stats import mannwhitneyu, ttest_ind

from benchmarks.gate.recording import RecordedInvocation
from benchmarks.gate.samples import latencies_ns, log_speedup
from perf.judge.spread import Spread
from perf.judge.verdict import Kind, Then, Tolerance, judge, suspicious


@dataclass(frozen=True)
class Trial:
    """One comparison: `then` the baseline's invocations, `first` and `again` those of now; `slowed` is the variant that
    ran now, `variant` the one that ran then, both judged over `reference`.
    """

    then: Sequence[RecordedInvocation]
    first: Sequence[RecordedInvocation]
    again: Sequence[RecordedInvocation]
    reference: str
    variant: str
    slowed: str

    def speedups(self, invocations: Sequence[RecordedInvocation], variant: str) -> list[float]:
        """The log speedups of the invocations that had undisturbed blocks."""
        found = [log_speedup(invocation, self.reference, variant) for invocation in invocations]
        return [value for value in found if value is not None]

    def latencies(self) -> tuple[list[int], list[int]]:
        """All slots' latencies in ns, then and now; `again` belongs to now, so that every rule has the same samples."""
        then = [ns for slots in latencies_ns(self.then, self.variant) for ns in slots]
        return then, [ns for slots in latencies_ns([*self.first, *self.again], self.slowed) for ns in slots]


def verdict(trial: Trial, spread: Spread, tolerance: Tolerance, comparisons: int) -> Kind:
    """The gate's verdict: `again` is looked at only when the first look is suspicious."""
    first = trial.speedups(trial.first, trial.slowed)
    then = Then(trial.speedups(trial.then, trial.variant), spread)
    again = trial.speedups(trial.again, trial.slowed) if suspicious(first, then, tolerance) else []
    return judge(first, again, then, tolerance, comparisons).kind


def pytest_benchmark_median(trial: Trial) -> bool:
    """`--benchmark-compare-fail=median:5%` (pytest-benchmark 5.3.1, utils.PercentageRegressionCheck)."""
    then, now = trial.latencies()
    return statistics.median(now) / statistics.median(then) * 100 - 100 > 5


def asv(trial: Trial) -> bool:
    """Asv's rule: Mann-Whitney at p < 0.002, and the medians differ by a factor of 1.05 (asv 0.6, compare and
    continuous; `_isna`, `_is_result_better` in asv/commands/compare.py, asv/statistics.py).
    """
    then, now = trial.latencies()
    significant = mannwhitneyu(now, then, alternative="two-sided").pvalue < 0.002
    return bool(significant) and statistics.median(now) > 1.05 * statistics.median(then)


def pyperf(trial: Trial) -> bool:
    """Pyperf's rule: Student's two-sample t-test at 95 %, and a larger mean (pyperf 2, `is_significant`)."""
    then, now = trial.latencies()
    slower = statistics.fmean(now) > statistics.fmean(then)
    return bool(ttest_ind(now, then).pvalue < 0.05) and slower


OTHERS: dict[str, Callable[[Trial], bool]] = {
    "--benchmark-compare-fail=median:5%": pytest_benchmark_median,
    "asv: Mann-Whitney p < 0.002 and factor 1.05": asv,
    "pyperf: t-test at 95 %": pyperf,
}
