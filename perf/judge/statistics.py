"""Order statistics, as pure functions of plain numbers."""

import math
from collections.abc import Sequence


def quantile(values: Sequence[float], q: float) -> float:
    """The q-quantile (0 <= q <= 1) by linear interpolation between order statistics.

    Definition 7 of Hyndman & Fan, "Sample Quantiles in Statistical Packages", 1996. ValueError when there are none.
    """
    if not values:
        raise ValueError("a quantile of no values")
    ordered = sorted(values)
    position = q * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])


def median(values: Sequence[float]) -> float:
    """The middle value; ValueError when there are none."""
    return quantile(values, 0.5)
