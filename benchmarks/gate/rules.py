"""The rules of three other tools: whether a case is slower, from absolute latencies then and now (ns)."""

import statistics
from collections.abc import Callable, Sequence

from scipy.stats import mannwhitneyu, ttest_ind

Rule = Callable[[Sequence[int], Sequence[int]], bool]


def pytest_benchmark_median(then: Sequence[int], now: Sequence[int]) -> bool:
    """Return pytest-benchmark's verdict with `--benchmark-compare-fail=median:5%` (5.3.1,
    utils.PercentageRegressionCheck).
    """
    return statistics.median(now) / statistics.median(then) * 100 - 100 > 5


def asv(then: Sequence[int], now: Sequence[int]) -> bool:
    """Return asv's verdict: Mann-Whitney at p < 0.002, and the medians differ by a factor of 1.05 (asv 0.6:
    `is_different` in asv/_stats.py, `_is_result_better` in asv/commands/compare.py).
    """
    significant = mannwhitneyu(now, then, alternative="two-sided").pvalue < 0.002
    return bool(significant) and statistics.median(now) > 1.05 * statistics.median(then)


def pyperf(then: Sequence[int], now: Sequence[int]) -> bool:
    """Return pyperf's verdict: Student's two-sample t-test at 95 %, and a larger mean (pyperf 2, `is_significant` in
    pyperf/_utils.py).
    """
    slower = statistics.fmean(now) > statistics.fmean(then)
    return bool(ttest_ind(now, then).pvalue < 0.05) and slower


RULES: dict[str, Rule] = {
    "--benchmark-compare-fail=median:5%": pytest_benchmark_median,
    "asv: Mann-Whitney and factor 1.05": asv,
    "pyperf: t-test at 95 %": pyperf,
}
