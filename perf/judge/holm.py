"""Which of many results are significant when all of them are looked at. Pure: no I/O, no other room.

Holm, "A simple sequentially rejective multiple test procedure", 1979: the smallest of n p-values is multiplied by n,
the next one by n - 1, and so on. It keeps the probability of one or more false results below the level, whatever the
dependence between them; steps of a ladder that share a release are dependent.
"""

from collections.abc import Sequence


def adjusted(p_values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p-values, in the order of `p_values`. A result is significant at a level if its adjusted
    p-value is at most that level. Raises ValueError for a value outside of 0 to 1.
    """
    if not all(0 <= p <= 1 for p in p_values):
        raise ValueError("a p-value lies outside of 0 to 1")
    count = len(p_values)
    results = [1.0] * count
    largest = 0.0
    for rank, place in enumerate(sorted(range(count), key=p_values.__getitem__)):
        # A larger p-value never gets a smaller adjusted one.
        largest = max(largest, min(1.0, (count - rank) * p_values[place]))
        results[place] = largest
    return results
