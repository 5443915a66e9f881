"""Compare the accuracies of two classifiers on the same examples. Pure: no I/O, no other room.

Only examples on which exactly one of the two is right carry information about the difference (McNemar, "Note on the
sampling error of the difference between correlated proportions or percentages", 1947). The interval is Newcombe's
method 10, "Improved confidence intervals for the difference between binomial proportions based on paired data", 1998:
it keeps its coverage for few disagreements, where the simple interval collapses.
"""

import math
from dataclasses import dataclass

import scipy


@dataclass(frozen=True)
class PairedCounts:
    """Counts of examples by which classifier is right: `both`, `first_only`, `second_only` or `neither`."""

    both: int
    first_only: int
    second_only: int
    neither: int

    @property
    def examples(self) -> int:
        """The number of examples."""
        return self.both + self.first_only + self.second_only + self.neither

    @property
    def difference(self) -> float:
        """Accuracy of the first minus that of the second, as a fraction. Raises ZeroDivisionError without examples."""
        return (self.first_only - self.second_only) / self.examples

    @property
    def p_value(self) -> float:
        """The p-value of the exact two-sided McNemar test; 1 without disagreements."""
        disagreements = self.first_only + self.second_only
        return float(scipy.stats.binomtest(self.first_only, disagreements).pvalue) if disagreements else 1.0

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return the interval of the difference by Newcombe's method 10: the Wilson intervals of both accuracies,
        joined by their correlation.
        """
        n = self.examples
        first, second = (self.both + self.first_only) / n, (self.both + self.second_only) / n
        (low_1, high_1), (low_2, high_2) = (_wilson(accuracy, n, confidence) for accuracy in (first, second))
        correlation = self._correlation()

        def half(a: float, b: float) -> float:
            return math.sqrt(max(0.0, a * a - 2 * correlation * a * b + b * b))

        return (
            self.difference - half(first - low_1, high_2 - second),
            self.difference + half(high_1 - first, second - low_2),
        )

    def _correlation(self) -> float:
        """Return Newcombe's phi with his continuity correction; 0 when a margin is empty."""
        a, b, c, d = self.both, self.first_only, self.second_only, self.neither
        margins = (a + b) * (c + d) * (a + c) * (b + d)
        if not margins:
            return 0.0
        cross: float = a * d - b * c
        if cross > 0:
            cross = max(cross - self.examples / 2, 0)
        return cross / math.sqrt(margins)


def _wilson(proportion: float, n: int, confidence: float) -> tuple[float, float]:
    """Return Wilson's score interval of a proportion of `n` examples."""
    z = float(scipy.stats.norm.ppf((1 + confidence) / 2))
    middle = proportion + z * z / (2 * n)
    half = z * math.sqrt(proportion * (1 - proportion) / n + z * z / (4 * n * n))
    return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)
