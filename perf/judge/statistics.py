"""Order statistics, as pure functions of plain numbers."""

import math
from collections.abc import Sequence


def quantile(values: Sequence[float], q: float) -> float:
    """Return the q-quantile (0 <= q <= 1) by linear interpolation between order statistics. Raises ValueError without
    values. Source: definition 7 of Hyndman & Fan, "Sample Quantiles in Statistical Packages", 1996.
    """
    if not values:
        raise ValueError("a quantile of no values")
    ordered = sorted(values)
    position = q * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])


def median(values: Sequence[float]) -> float:
    """Return the median. Raises ValueError without values."""
    return quantile(values, 0.5)


def midmean(values: Sequence[float]) -> float:
    """Return the interquartile mean: the mean of the middle half, with the values at its edges counted in part. Raises
    ValueError without values.

    It uses more of the data than the median, and still ignores outliers (Tukey, "Exploratory Data Analysis", 1977).
    """
    if not values:
        raise ValueError("a mean of no values")
    quarter = len(values) / 4
    parts = [
        max(0.0, min(rank + 1, len(values) - quarter) - max(rank, quarter)) * value
        for rank, value in enumerate(sorted(values))
    ]
    return math.fsum(parts) / (2 * quarter)
