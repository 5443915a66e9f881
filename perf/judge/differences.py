"""Pairs of one quantity under two conditions: whether their differences are more than chance. Pure: no I/O."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import stdtr, stdtrit


@dataclass(frozen=True)
class PairedDifferences:
    """Second minus first of each pair. The paired t-test (Student, "The probable error of a mean", 1908) assumes that
    they are independent and near normal.
    """

    values: Sequence[float]

    @property
    def mean(self) -> float:
        """ZeroDivisionError without pairs."""
        return sum(self.values) / len(self.values)

    @property
    def error(self) -> float:
        """The standard error of the mean; ZeroDivisionError for a single pair."""
        n = len(self.values)
        return math.sqrt(sum((value - self.mean) ** 2 for value in self.values) / (n - 1) / n)

    @property
    def p_value(self) -> float:
        """Two-sided; 1 when all differences are zero, 0 when they are all the same and are not."""
        if not self.error:
            return 1.0 if not self.mean else 0.0
        return 2 * float(stdtr(len(self.values) - 1, -abs(self.mean) / self.error))

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """The confidence interval of the mean."""
        half = float(stdtrit(len(self.values) - 1, (1 + confidence) / 2)) * self.error
        return self.mean - half, self.mean + half
