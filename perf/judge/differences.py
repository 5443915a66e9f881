"""The paired t-test: whether a quantity differs between two conditions. Pure: no I/O, no other room."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import stdtr, stdtrit


@dataclass(frozen=True)
class PairedDifferences:
    """Differences of pairs; `values` holds second minus first of each. The paired t-test (Student, "The probable error
    of a mean", 1908) assumes that they are independent and approximately normal.
    """

    values: Sequence[float]

    @property
    def mean(self) -> float:
        """The mean difference. Raises ZeroDivisionError without pairs."""
        return sum(self.values) / len(self.values)

    @property
    def error(self) -> float:
        """The standard error of the mean. Raises ZeroDivisionError for a single pair."""
        n = len(self.values)
        return math.sqrt(sum((value - self.mean) ** 2 for value in self.values) / (n - 1) / n)

    @property
    def p_value(self) -> float:
        """The two-sided p-value; 1 when all differences are zero, 0 when they are equal and not zero."""
        if not self.error:
            return 1.0 if not self.mean else 0.0
        return 2 * float(stdtr(len(self.values) - 1, -abs(self.mean) / self.error))

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return the confidence interval of the mean."""
        half = float(stdtrit(len(self.values) - 1, (1 + confidence) / 2)) * self.error
        return self.mean - half, self.mean + half
