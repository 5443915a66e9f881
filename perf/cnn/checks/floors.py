"""Judging a network's INT8 outputs without stored answers, by the noise that quantisation steps should cause. Pure.

- A layer is wrong when its noise is more than `MARGIN_DB` above the noise expected from its steps
  (perf/cnn/checks/noise.py). Its floor is the signal-to-noise ratio at that margin.
- A network is wrong when one of its layers is wrong, or when its outputs distinguish images no better than the mean
  output would.
- A network is right when all of its layers are above their floors, and the noise of its outputs is at most
  `OUTPUTS_MARGIN_DB` above the sum of what its layers are expected to add.
- Everything in between is not judged.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from perf.builds import BuildFacts
from perf.cnn.checks.defects import defects_text
from perf.cnn.operators.arithmetic import why_unknown_arithmetic
from perf.cnn.operators.int8 import RELEASES
from perf.wording import counted

# How far a layer's noise may be above the expected noise, in dB: a factor of four. Weights are rounded once, and a
# layer's data are alike, so their errors do not average out as independent errors do. The sum of one error for each of
# C channels varies as chi-squared with C degrees of freedom, divided by C: for 16 channels it is above four times its
# mean once in 10^7.
MARGIN_DB = 6.0
# How far the outputs' noise may be above the sum of the layers' noise, in dB. Clipping or subtracting can remove more
# of the signal than of the noise: MobileNet v2 loses 7.5 dB in this way although all of its layers are right.
OUTPUTS_MARGIN_DB = 10.0
# At this ratio, in dB, outputs are as far from FP32's as FP32's are from their mean over all images.
NO_ANSWER_DB = 0.0
# Layers that a message names.
SHOWN_LAYERS = 3


@dataclass(frozen=True)
class LayerLoss:
    """What one quantised layer loses on its own.

    `name`: the layer. `sqnr_db`: its signal-to-quantisation-noise ratio in dB. `expected_db`: the ratio expected from
    its steps, None where no formula is known. `defects`: the names of the known defects that affect it.
    """

    name: str
    sqnr_db: float
    expected_db: float | None
    defects: tuple[str, ...] = ()

    @property
    def floor_db(self) -> float | None:
        """The lowest ratio that counts as right, in dB; None where no formula is known."""
        return None if self.expected_db is None else self.expected_db - MARGIN_DB

    @property
    def wrong(self) -> bool:
        """Whether the layer is below its floor; NaN is."""
        return self.floor_db is not None and not self.sqnr_db >= self.floor_db


@dataclass(frozen=True)
class FloorsResult:
    """`problem` is what is wrong with a network's outputs, `unjudged` why they cannot be judged.

    Both are None when the outputs are right.
    """

    problem: str | None = None
    unjudged: str | None = None


def why_unknown_steps(facts: BuildFacts) -> str | None:
    """Return why the quantisation steps of an installation on this CPU are not known; None if they are."""
    if facts.mxnet not in RELEASES:
        return f"the quantisation steps of {facts.wheel} are not known"
    return why_unknown_arithmetic()


def expected_outputs_db(losses: Sequence[LayerLoss]) -> float:
    """Return the signal-to-noise ratio expected of the outputs, in dB.

    Every layer adds noise in proportion to its signal, and passes on the noise of its input. So the ratio is
    1 / sum(10^(-e/10)) over the layers' expected ratios e in dB, itself converted to dB.
    """
    noise = sum(10 ** (-loss.expected_db / 10) for loss in losses if loss.expected_db is not None)
    return -10 * math.log10(noise) if noise else math.inf


def judge_by_floors(losses: Sequence[LayerLoss], outputs_db: float, between_db: float) -> FloorsResult:
    """Judge a network by its quantised layers, in execution order, and its outputs.

    `outputs_db` is the SQNR of the outputs in dB, and `between_db` the same after the mean over images is subtracted.
    """
    problems = _layer_problems(losses, outputs_db)
    if not problems and not between_db > NO_ANSWER_DB:
        problems.append(
            f"the outputs hardly depend on the image: SQNR {between_db:.1f} dB of what differs between images"
        )
    if problems:
        return FloorsResult(problem="; ".join(problems))
    unknown = [loss.name for loss in losses if loss.expected_db is None]
    affected = [loss.defects for loss in losses if loss.defects]
    floor_db = expected_outputs_db(losses) - OUTPUTS_MARGIN_DB
    reasons = []
    if unknown:
        reasons.append(f"no floor is known for {len(unknown)} of {counted(len(losses), 'layer')}, such as {unknown[0]}")
    if affected:
        reasons.append(f"{defects_text(affected)}, with little effect on the images of this check")
    if outputs_db < floor_db:
        reasons.append(
            f"SQNR of the outputs is {outputs_db:.1f} dB, below the {floor_db:.1f} dB expected of its layers"
        )
    return FloorsResult(unjudged="; ".join(reasons) or None)


def _layer_problems(losses: Sequence[LayerLoss], outputs_db: float) -> list[str]:
    """Describe what is wrong with layers: known defects together, then the first layers without one."""
    wrong = [loss for loss in losses if loss.wrong]
    affected = [loss.defects for loss in wrong if loss.defects]
    unexplained = [loss for loss in wrong if not loss.defects]
    problems = [f"{defects_text(affected)}, SQNR of the outputs is {outputs_db:.1f} dB"] if affected else []
    problems += [
        f"layer {loss.name} alone has SQNR {loss.sqnr_db:.1f} dB, below the {loss.floor_db:.1f} dB allowed by its steps"
        for loss in unexplained[:SHOWN_LAYERS]
    ]
    if len(unexplained) > SHOWN_LAYERS:
        problems.append(f"{len(unexplained)} of {len(losses)} layers lose more than their steps allow")
    return problems
