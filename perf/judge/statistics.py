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


def trimmed_mean(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean without the lowest and the highest fifth of the values, each rounded down to whole ones, and the
    variance of a value that gives this mean its standard error: that is the root of `variance / len(values)`. Raises
    ValueError without values; the variance of a single one is 0.

    Fewer than five values are all counted. The variance comes from winsorised values: each that was left out counts as
    the nearest one that was kept (Yuen, "The two-sample trimmed t for unequal population variances", 1974).
    """
    if not values:
        raise ValueError("a mean of no values")
    count, out = len(values), len(values) // 5
    kept = sorted(values)[out : count - out]
    mean = math.fsum(kept) / len(kept)
    if count == 1:
        return mean, 0.0
    winsorised = [kept[0]] * out + kept + [kept[-1]] * out
    centre = math.fsum(winsorised) / count
    squares = math.fsum((value - centre) ** 2 for value in winsorised)
    return mean, count * squares / (len(kept) * (len(kept) - 1))
