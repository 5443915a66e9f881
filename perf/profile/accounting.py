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
    """Return layers with a change, those first that account most for the change of the whole pass.

    A layer that runs in another way counts with its estimated change, and any other layer only with the part of it that
    is certain: a layer that runs the same code seldom is a cause, and noise moves all of them. Layers that changed in
    the opposite direction come last.
    """
    direction = math.copysign(1.0, whole.ms)

    def weight(layer: LayerTime) -> float:
        if layer.change is None:
            return 0.0
        return direction * (layer.change.ms if layer.facts else layer.change.certain_ms)

    return sorted(layers, key=lambda layer: (-weight(layer), -layer.now_ms))


def culprits_of(layers: Sequence[LayerTime], whole: TimeChange) -> int:
    """Return how many of the first layers, which are `ranked`, account for 90 % of the change of the whole pass. It is
    0 when that change is not significant and no layer runs in another way; layers that changed in the opposite
    direction are never among them.
    """
    if not whole.certain_ms and not any(layer.facts for layer in layers):
        return 0
    explained = 0.0
    for count, layer in enumerate(layers):
        if abs(explained) >= ENOUGH * abs(whole.ms) and count:
            return count
        if layer.change is None or layer.change.ms * whole.ms <= 0 or not (layer.facts or layer.change.certain_ms):
            return count
        explained += layer.change.ms
    return len(layers)
