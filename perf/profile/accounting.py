"""Which layers account for a change, with intervals. Pure."""

import math
from collections.abc import Sequence

from scipy.special import stdtrit

from perf.runs.explanation import LayerTime, TimeChange

# The fraction of a change that is accounted for before the list of culprits ends.
ENOUGH = 0.9
CONFIDENCE = 0.95


def change_of(differences_ms: Sequence[float]) -> TimeChange:
    """Return the mean of the differences (now minus then, in ms) of several invocations, with the 95 % interval of
    Student's t; without an interval for fewer than two. Raises ValueError without differences.
    """
    count = len(differences_ms)
    if not count:
        raise ValueError("a change of no differences")
    mean = math.fsum(differences_ms) / count
    if count == 1:
        return TimeChange(mean, None, None)
    variance = math.fsum((value - mean) ** 2 for value in differences_ms) / (count - 1)
    half = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2)) * math.sqrt(variance / count)
    return TimeChange(mean, mean - half, mean + half)


def ranked(layers: Sequence[LayerTime], whole: TimeChange) -> list[LayerTime]:
    """Return layers with a change in the order in which they should be looked at.

    Layers that run in another way come first, by their estimated change in the direction of the whole pass's. The rest
    follows, by the part of its change that is certain: noise moves all layers, and the same code seldom becomes slower
    on its own.
    """
    direction = math.copysign(1.0, whole.ms)

    def key(layer: LayerTime) -> tuple[bool, float, float]:
        change = layer.change or TimeChange(0.0, 0.0, 0.0)
        return not layer.facts, -direction * (change.ms if layer.facts else change.certain_ms), -layer.now_ms

    return sorted(layers, key=key)


def culprits_of(layers: Sequence[LayerTime], whole: TimeChange, *, established: int = 0) -> int:
    """Return how many of the first layers, which are `ranked`, account for 90 % of the change of the whole pass. It is
    0 when that change is not significant and no layer runs in another way, and when no layer changed in its direction.

    established: what a verdict on timed passes has shown: 1 for a loss, -1 for a gain, 0 for nothing. In passes that
    show the opposite of it, only a layer that runs in another way accounts for anything.
    """
    shown = established * whole.ms > 0 or (not established and whole.certain_ms)
    if not shown and not any(layer.facts for layer in layers):
        return 0
    explained = 0.0
    for count, layer in enumerate(layers):
        if count and abs(explained) >= ENOUGH * abs(whole.ms):
            return count
        change = layer.change or TimeChange(0.0, 0.0, 0.0)
        if layer.facts and change.ms * whole.ms <= 0:
            continue  # it runs in another way, and changed in the opposite direction
        if change.ms * whole.ms <= 0 or not (layer.facts or change.certain_ms):
            return count if explained else 0
        explained += change.ms
    return len(layers) if explained else 0
