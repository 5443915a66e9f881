"""How far a network's INT8 outputs are from its FP32 outputs on the same images. Pure."""

import math
from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from perf.facts import Drift

Array = NDArray[np.floating]
# The largest ratio reported, in dB: FP32's own rounding is below it, and equal arrays would have an infinite one.
EXACT_DB = 120.0


def drift_of(fp32: Array, int8: Array) -> Drift:
    """Return the drift between logits of shape (images, classes).

    Raises ValueError when shapes differ or there is no image.
    """
    if fp32.shape != int8.shape or fp32.ndim != 2 or not len(fp32):  # noqa: PLR2004
        raise ValueError(f"logits of shapes {fp32.shape} and {int8.shape} cannot be compared")
    exact, rough = fp32.astype(np.float64), int8.astype(np.float64)
    lengths = np.linalg.norm(exact, axis=1) * np.linalg.norm(rough, axis=1)
    # An output of zeros has no direction: its similarity is 1 to other zeros, and 0 to everything else.
    same = (exact == rough).all(axis=1).astype(np.float64)
    cosines = np.divide((exact * rough).sum(axis=1), lengths, out=same, where=lengths > 0)
    return Drift(
        top1_agreement=float((exact.argmax(axis=1) == rough.argmax(axis=1)).mean()),
        sqnr_db=sqnr_db(exact, rough),
        cosine=float(cosines.min()),
        largest_error=float(np.abs(exact - rough).max() / max(exact.std(), np.finfo(np.float64).tiny)),
    )


def sqnr_db(fp32: Array, int8: Array) -> float:
    """Return the signal-to-quantisation-noise ratio in dB: `ratio_db` of the energies of `fp32` and the difference."""
    return ratio_db(energy(fp32), energy(fp32.astype(np.float64) - int8.astype(np.float64)))


def energy(values: Array) -> float:
    """Return the sum of the squares."""
    return float(np.square(values, dtype=np.float64).sum())


def ratio_db(signal: float, noise: float) -> float:
    """Return 10 log10(signal / noise) of two energies, in dB.

    It is EXACT_DB at most, as without noise, and -EXACT_DB at least, as without a signal.
    """
    if not noise:
        return EXACT_DB
    return max(-EXACT_DB, min(EXACT_DB, 10 * math.log10(signal / noise))) if signal else -EXACT_DB


def between_images_db(fp32: Array, int8: Array) -> float:
    """Return the signal-to-quantisation-noise ratio in dB after the mean over images (the first axis) is subtracted.

    It is 0 dB when every INT8 output is the mean of the FP32 outputs, whatever the image.
    """
    return sqnr_db(fp32 - fp32.mean(axis=0), int8 - fp32.mean(axis=0))


class DriftMargins(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much worse than stored a drift may be.

    `sqnr_db`: how many dB the outputs' ratio may be lower. `top1_agreement`: by how much the agreement, a fraction of
    the images, may be lower. `cosine`: by what factor the cosine's distance to 1 may grow. `largest_error`: by what
    factor the largest error may grow. `layer_sqnr_db`: how many dB a layer's own ratio may be higher or lower.
    """

    sqnr_db: float
    layer_sqnr_db: float
    top1_agreement: float
    cosine: float
    largest_error: float


def drift_bounds(stored: Drift, margins: DriftMargins) -> Drift:
    """Return the worst drift that is allowed."""
    return Drift(
        top1_agreement=stored.top1_agreement - margins.top1_agreement,
        sqnr_db=stored.sqnr_db - margins.sqnr_db,
        cosine=1 - (1 - stored.cosine) * margins.cosine,
        largest_error=stored.largest_error * margins.largest_error,
    )


def drift_problems(drift: Drift, bounds: Drift) -> list[str]:
    """Return a description of each figure of a drift that is beyond its bound. NaN is beyond every bound."""
    problems = []
    if not drift.sqnr_db >= bounds.sqnr_db:
        problems.append(f"SQNR of the outputs is {drift.sqnr_db:.1f} dB, below {bounds.sqnr_db:.1f} dB")
    if not drift.top1_agreement >= bounds.top1_agreement:
        problems.append(f"top-1 agreement is {drift.top1_agreement:.1%}, below {bounds.top1_agreement:.1%}")
    if not drift.cosine >= bounds.cosine:
        problems.append(f"cosine similarity is {drift.cosine:.4f}, below {bounds.cosine:.4f}")
    if not drift.largest_error <= bounds.largest_error:
        problems.append(
            f"largest error is {drift.largest_error:.2f} standard deviations, above {bounds.largest_error:.2f}"
        )
    return problems


def changed_layers(layers_db: Mapping[str, float], stored_db: Mapping[str, float], margin_db: float) -> list[str]:
    """Return the layers whose SQNR in dB differs from the stored one by more than a margin, in execution order.

    Layers that exist on one side only are included. So are layers that became better: a threshold that is too low makes
    steps finer, and clips what is above it.
    """
    names = dict.fromkeys([*layers_db, *stored_db])
    return [
        name
        for name in names
        if name not in layers_db or name not in stored_db or not abs(layers_db[name] - stored_db[name]) <= margin_db
    ]
