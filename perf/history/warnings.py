"""Signs in the last nights that an artefact, and not a build, moved the figures."""

from collections import Counter
from collections.abc import Iterator, Sequence

import scipy

from perf.history.findings import HistoryFindings, JudgedSeries
from perf.history.nights import Nights
from perf.judge.statistics import median
from perf.runs.verdict import fails
from perf.wording import counted

# The nights that are looked at: those of the last week.
LAST_NIGHTS = 7
# Of these, the fewest nights with failed cases that can raise the warning: two say little.
LEAST_FAILED = 3
# The chance, over all these nights, of a warning when each series lies above or below its middle by chance.
ONE_SIDED = 0.01
# The fewest nights of a series from which its middle is known.
LEAST_NIGHTS = 4


def warnings_of(findings: HistoryFindings) -> list[str]:
    """Return the signs of an artefact in the last nights, as sentences."""
    return [*_changing_cases(findings.nights), *_one_sided(findings.nights, findings.judged)]


def _changing_cases(nights: Nights) -> Iterator[str]:
    """Warn when several nights have failed cases, and none failed twice: what a build slows stays slow."""
    last = nights.files[-LAST_NIGHTS:]
    failed = [
        {line.case for line in file.comparisons if line.verdict and fails(line.verdict, strict=False)} for file in last
    ]
    often = sum(map(bool, failed))
    counts = Counter(case for cases in failed for case in cases)
    if often >= LEAST_FAILED and max(counts.values()) == 1:
        yield (
            f"Other cases each night: {often} of the last {counted(len(last), 'night')} have failed cases, "
            f"{len(counts)} in all, and none failed twice. A slower build would have failed the same cases again."
        )


def _one_sided(nights: Nights, judged: Sequence[JudgedSeries]) -> Iterator[str]:
    """Warn of nights in which nearly all series lie on the same side of their middle (sign test)."""
    last = nights.files[-LAST_NIGHTS:]
    known = [one.series for one in judged if len(one.series.nights) >= LEAST_NIGHTS]
    middles = [median(series.values) for series in known]
    for file in last:
        ended = file.header.ended
        moved = [
            value - middle
            for series, middle in zip(known, middles, strict=True)
            for night, value in zip(series.nights, series.values, strict=True)
            if night.ended == ended and value != middle
        ]
        slower = sum(value < 0 for value in moved)
        if moved and scipy.stats.binomtest(slower, len(moved)).pvalue < ONE_SIDED / len(last):
            side, number = ("slower", slower) if slower > len(moved) / 2 else ("faster", len(moved) - slower)
            yield (
                f"One-sided on {ended:%Y-%m-%d %H:%M}: {number} of {counted(len(moved), 'series', 'series')} are "
                f"{side} than in the middle of their nights. That many seldom change at once: suspect the machine, a "
                "reference or the measuring code."
            )
