"""Floors for a network's INT8 answers that need no stored ones: what its steps make one expect of it. Pure.

A layer is wrong when its noise is more than `MARGIN_DB` above what its steps make one expect (perf.cnn.checks.noise). A
network is wrong when a layer is, or when its outputs tell images apart no better than one answer for all of them would.
It is right when all layers are within their floors and its outputs lose no more than the noise of its layers adds up
to. Between, it is not judged.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from perf.builds import BuildFacts
from perf.cnn.checks.defects import counted
from perf.cnn.operators.int8 import RELEASES

# How far a layer's noise may lie above its expectation. Weights are rounded once: over a layer's data, which are alike,
# their errors do not average out as independent ones do. The sum over C channels of one error each scatters like
# chi-squared with C degrees of freedom, over C: with 16 channels it is above four times its mean once in 10^7.
MARGIN_DB = 6.0
# How far the outputs' noise may lie above what the layers' adds up to. A layer may take away more of the signal than of
# the noise that it is given, by clipping or subtracting: MobileNet v2, all of whose layers are right, loses 7.5 dB so.
OUTPUTS_MARGIN_DB = 10.0
# Outputs that are as far from FP32's as FP32's are from their mean over all images.
NO_ANSWER_DB = 0.0
# Layers that a message names.
SHOWN_LAYERS = 3


@dataclass(frozen=True)
class LayerLoss:
    """What a quantised layer loses by itself: its signal-to-quantisation-noise ratio in dB, and what its steps make one
    expect; None where no formula is known. `defects` are the known defects that cover it, by name.
    """

    name: str
    sqnr_db: float
    expected_db: float | None
    defects: tuple[str, ...] = ()

    @property
    def floor_db(self) -> float | None:
        """The least that is right."""
        return None if self.expected_db is None else self.expected_db - MARGIN_DB

    @property
    def wrong(self) -> bool:
        """Whether it lies below its floor; NaN does."""
        return self.floor_db is not None and not self.sqnr_db >= self.floor_db


@dataclass(frozen=True)
class FloorsVerdict:
    """What is wrong with a network's answers, or else why they could not be judged; neither where they are right."""

    problem: str | None = None
    unjudged: str | None = None


def unknown_steps(facts: BuildFacts, *, has_vnni: bool) -> str | None:
    """Why nothing can be expected of the layers of an installation on this CPU; None where it can."""
    if facts.mxnet not in RELEASES:
        return f"the quantisation steps of {facts.wheel} are not known"
    return None if has_vnni else "the quantisation steps are known for CPUs with AVX512-VNNI only"


def expected_db(losses: Sequence[LayerLoss]) -> float:
    """The signal-to-noise ratio in dB of outputs to which every layer adds its own noise, as a share of its signal, and
    passes on what it gets: 1 over the sum of all layers' shares.
    """
    shares = sum(10 ** (-loss.expected_db / 10) for loss in losses if loss.expected_db is not None)
    return -10 * math.log10(shares) if shares else math.inf


def judged(losses: Sequence[LayerLoss], outputs_db: float, between_db: float) -> FloorsVerdict:
    """What floors say of a network: of its quantised layers, in the order they run, and of its outputs, whose SQNR is
    `outputs_db`, and `between_db` over what differs between images.
    """
    problems = _wrong_layers(losses, outputs_db)
    if not problems and not between_db > NO_ANSWER_DB:
        problems.append(
            f"the outputs hardly depend on the image: SQNR {between_db:.1f} dB of what differs between images"
        )
    if problems:
        return FloorsVerdict(problem="; ".join(problems))
    unknown = [loss.name for loss in losses if loss.expected_db is None]
    covered = [loss.defects for loss in losses if loss.defects]
    floor_db = expected_db(losses) - OUTPUTS_MARGIN_DB
    doubts = []
    if unknown:
        doubts.append(f"no floor is known for {len(unknown)} of {len(losses)} layers, such as {unknown[0]}")
    if covered:
        doubts.append(f"{counted(covered)}, with little effect on the images of this check")
    if outputs_db < floor_db:
        doubts.append(f"SQNR of the outputs {outputs_db:.1f} dB, below {floor_db:.1f} dB, what its layers add up to")
    return FloorsVerdict(unjudged="; ".join(doubts) or None)


def _wrong_layers(losses: Sequence[LayerLoss], outputs_db: float) -> list[str]:
    wrong = [loss for loss in losses if loss.wrong]
    known = [loss.defects for loss in wrong if loss.defects]
    others = [loss for loss in wrong if not loss.defects]
    problems = [f"{counted(known)}, SQNR of the outputs {outputs_db:.1f} dB"] if known else []
    problems += [
        f"layer {loss.name} by itself {loss.sqnr_db:.1f} dB, at least {loss.floor_db:.1f} dB by its steps"
        for loss in others[:SHOWN_LAYERS]
    ]
    if len(others) > SHOWN_LAYERS:
        problems.append(f"{len(others)} of {len(losses)} layers lose more than by their steps")
    return problems
