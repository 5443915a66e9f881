"""How far a network's INT8 outputs are from its FP32 outputs on the same images. Pure."""

import math
from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from perf.facts import Drift

Array = NDArray[np.floating]
# A layer without any difference has an infinite ratio; FP32's own rounding lies above this many dB.
EXACT_DB = 120.0


def drift_of(reference: Array, quantized: Array) -> Drift:
    """The drift between logits of shape (images, classes). ValueError when shapes differ or there is no image."""
    if reference.shape != quantized.shape or reference.ndim != 2 or not len(reference):  # noqa: PLR2004
        raise ValueError(f"logits of shapes {reference.shape} and {quantized.shape} cannot be compared")
    exact, rough = reference.astype(np.float64), quantized.astype(np.float64)
    lengths = np.linalg.norm(exact, axis=1) * np.linalg.norm(rough, axis=1)
    # An output of nothing but zeros points nowhere: its similarity is 0, or 1 to another of its kind.
    same = (exact == rough).all(axis=1).astype(np.float64)
    cosines = np.divide((exact * rough).sum(axis=1), lengths, out=same, where=lengths > 0)
    return Drift(
        top1_agreement=float((exact.argmax(axis=1) == rough.argmax(axis=1)).mean()),
        sqnr_db=sqnr_db(exact, rough),
        cosine=float(cosines.min()),
        largest_error=float(np.abs(exact - rough).max() / max(exact.std(), np.finfo(np.float64).tiny)),
    )


def sqnr_db(reference: Array, quantized: Array) -> float:
    """10 log10 of the reference's energy over the energy of the difference (signal-to-quantisation-noise ratio),
    between -EXACT_DB, for a reference of nothing but zeros, and EXACT_DB, for equal arrays.
    """
    return ratio_db(energy(reference), energy(reference.astype(np.float64) - quantized.astype(np.float64)))


def energy(values: Array) -> float:
    """The sum of the squares."""
    return float(np.square(values, dtype=np.float64).sum())


def ratio_db(signal: float, noise: float) -> float:
    """10 log10 of one energy over another, between -EXACT_DB, without a signal, and EXACT_DB, without noise."""
    if not noise:
        return EXACT_DB
    return max(-EXACT_DB, min(EXACT_DB, 10 * math.log10(signal / noise))) if signal else -EXACT_DB


def between_images_db(reference: Array, quantized: Array) -> float:
    """The same ratio over what differs between images, the first axis: 0 dB is what their mean would reach if it were
    the answer to every image.
    """
    return sqnr_db(reference - reference.mean(axis=0), quantized - reference.mean(axis=0))


class Margins(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much worse than stored a drift may be: `sqnr_db` of the outputs by so many dB, `top1_agreement` by such a
    share, `cosine`'s distance to 1 and `largest_error` by such a factor. A layer's own ratio may be `layer_sqnr_db` dB
    off, either way.
    """

    sqnr_db: float
    layer_sqnr_db: float
    top1_agreement: float
    cosine: float
    largest_error: float


def bounds_of(stored: Drift, margins: Margins) -> Drift:
    """The worst drift that is allowed."""
    return Drift(
        top1_agreement=stored.top1_agreement - margins.top1_agreement,
        sqnr_db=stored.sqnr_db - margins.sqnr_db,
        cosine=1 - (1 - stored.cosine) * margins.cosine,
        largest_error=stored.largest_error * margins.largest_error,
    )


def beyond(found: Drift, bounds: Drift) -> list[str]:
    """What of a drift lies beyond its bounds, a sentence for each figure; NaN lies beyond all."""
    told = []
    if not found.sqnr_db >= bounds.sqnr_db:
        told.append(f"SQNR of the outputs {found.sqnr_db:.1f} dB, below {bounds.sqnr_db:.1f} dB")
    if not found.top1_agreement >= bounds.top1_agreement:
        told.append(f"top-1 agreement {found.top1_agreement:.1%}, below {bounds.top1_agreement:.1%}")
    if not found.cosine >= bounds.cosine:
        told.append(f"cosine similarity {found.cosine:.4f}, below {bounds.cosine:.4f}")
    if not found.largest_error <= bounds.largest_error:
        told.append(f"largest error {found.largest_error:.2f} standard deviations, over {bounds.largest_error:.2f}")
    return told


def changed_layers(found: Mapping[str, float], stored: Mapping[str, float], margin_db: float) -> list[str]:
    """The layers whose SQNR in dB is further from the stored one than a margin, in the order they run, or whose SQNR is
    not stored, or no longer found. One that has become better has changed as well: a threshold that is too low makes
    steps finer, and what lies above it wrong.
    """
    names = dict.fromkeys([*found, *stored])
    return [
        name
        for name in names
        if name not in found or name not in stored or not abs(found[name] - stored[name]) <= margin_db
    ]
