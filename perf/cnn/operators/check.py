"""Running one case in every variant, and comparing the outputs with what they must be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perf.cnn.operators.arithmetic import int8_arithmetic
from perf.cnn.operators.base import OperatorCase
from perf.cnn.operators.int8 import int8
from perf.cnn.operators.reference import ExactOutput, fp32
from perf.cnn.operators.workers import VARIANTS, OperatorWorkers
from perf.errors import WorkerError


@dataclass(frozen=True)
class OperatorOutcome:
    """How a variant computed a case.

    `variant`: the variant. `ratio`: its largest error, as a multiple of the error that is allowed for that element.
    `problem`: what is wrong; None if nothing is.
    """

    variant: str
    ratio: float
    problem: str | None


def run_case(case: OperatorCase, workers: OperatorWorkers, variants: Sequence[str]) -> list[OperatorOutcome]:
    """Run a case in each variant, one after the other, and judge its output."""
    return [_run_variant(case, workers, variant) for variant in variants]


def _run_variant(case: OperatorCase, workers: OperatorWorkers, variant: str) -> OperatorOutcome:
    try:
        operators, output = workers.run(variant, case)
    except WorkerError as error:
        return OperatorOutcome(variant, np.inf, f"{variant}: {error.what.strip().splitlines()[0]}")
    if VARIANTS[variant].quantised and not any(operator.quantized for operator in operators):
        names = ", ".join(operator.op for operator in operators)
        return OperatorOutcome(variant, np.inf, f"{variant}: nothing was quantised: {names}")
    return compare_output(variant, output, expected_output(case, variant))


def expected_output(case: OperatorCase, variant: str) -> ExactOutput:
    """Return what a variant must compute of a case's own arrays on this CPU."""
    arrays: Mapping[str, NDArray[np.float32]] = {**case.data(), **case.parameters()}
    return int8(case, arrays, int8_arithmetic()) if VARIANTS[variant].quantised else fp32(case, arrays)


def compare_output(variant: str, output: NDArray[np.float32], exact: ExactOutput) -> OperatorOutcome:
    """Compare an output with the exact one, element by element. Values that are not finite are wrong."""
    if output.shape != exact.values.shape:
        problem = f"{variant}: the output has shape {output.shape} instead of {exact.values.shape}"
        return OperatorOutcome(variant, np.inf, problem)
    errors = np.where(np.isfinite(output), np.abs(output - exact.values), np.inf)
    with np.errstate(divide="ignore"):
        ratios = np.divide(errors, exact.allowed, out=np.zeros_like(errors), where=errors > 0)
    worst = np.unravel_index(np.argmax(ratios), ratios.shape)
    ratio = float(ratios[worst])
    if ratio <= 1:
        return OperatorOutcome(variant, ratio, None)
    index = ", ".join(map(str, worst))
    return OperatorOutcome(
        variant,
        ratio,
        f"{variant}: {np.count_nonzero(ratios > 1)} of {ratios.size} values are wrong, the worst at [{index}]: "
        f"{output[worst]:.7g}, expected {exact.values[worst]:.7g} within {exact.allowed[worst]:.2g}",
    )
