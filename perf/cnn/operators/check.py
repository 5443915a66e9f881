"""One case in every variant, compared with what it must compute."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perf.cnn.operators.base import OperatorCase
from perf.cnn.operators.int8 import int8
from perf.cnn.operators.reference import Exact, fp32
from perf.cnn.operators.workers import VARIANTS, OperatorWorkers
from perf.errors import WorkerError
from perf.measure.workers.replies import GraphNode


@dataclass(frozen=True)
class OperatorOutcome:
    """What a variant made of a case: its largest error, as a share of what is allowed there, and what is wrong."""

    variant: str
    ratio: float
    problem: str | None


def examine(case: OperatorCase, live: OperatorWorkers, variants: Sequence[str]) -> list[OperatorOutcome]:
    """Run a case in these variants, one after the other, and judge each."""
    return [_examined(case, live, variant) for variant in variants]


def _examined(case: OperatorCase, live: OperatorWorkers, variant: str) -> OperatorOutcome:
    try:
        operators, output = live.run(variant, case)
    except WorkerError as error:
        return OperatorOutcome(variant, np.inf, f"{variant}: {_first_line(error.what)}")
    if VARIANTS[variant].quantised and not any(operator.quantized for operator in operators):
        return OperatorOutcome(variant, np.inf, f"{variant}: nothing was quantised: {_names(operators)}")
    return judged(variant, output, expected(case, variant))


def expected(case: OperatorCase, variant: str) -> Exact:
    """What a variant must compute of a case's own arrays."""
    given: Mapping[str, NDArray[np.float32]] = {**case.data(), **case.parameters()}
    return int8(case, given) if VARIANTS[variant].quantised else fp32(case, given)


def judged(variant: str, output: NDArray[np.float32], exact: Exact) -> OperatorOutcome:
    """Compare an output, element by element; nothing that is not finite is ever right."""
    if output.shape != exact.values.shape:
        return OperatorOutcome(
            variant, np.inf, f"{variant}: an output of shape {output.shape}, not {exact.values.shape}"
        )
    errors = np.where(np.isfinite(output), np.abs(output - exact.values), np.inf)
    with np.errstate(divide="ignore"):
        ratios = np.divide(errors, exact.allowed, out=np.zeros_like(errors), where=errors > 0)
    worst = np.unravel_index(np.argmax(ratios), ratios.shape)
    ratio = float(ratios[worst])
    if ratio <= 1:
        return OperatorOutcome(variant, ratio, None)
    place = ", ".join(map(str, worst))
    return OperatorOutcome(
        variant,
        ratio,
        f"{variant}: {np.count_nonzero(ratios > 1)} of {ratios.size} values are too far from what they must be, the "
        f"worst at [{place}]: {output[worst]:.7g}, expected {exact.values[worst]:.7g} within "
        f"{exact.allowed[worst]:.2g}",
    )


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0]


def _names(operators: Sequence[GraphNode]) -> str:
    return ", ".join(operator.op for operator in operators)
