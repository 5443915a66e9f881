"""How far a build's outputs are from those of the equations, and how far they may be."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from perf.measure.workers.inspection import Outputs
from perf.rnn.reference import Sizes, run
from perf.rnn.shapes import catalogue

Inputs = Mapping[str, NDArray[Any]]
# The relative rounding error of FP32.
ROUNDING = 2.0**-24


@dataclass(frozen=True, eq=False)
class ExpectedOutputs:
    """The `outputs` of the equations in double precision, and the difference `allowed` to them."""

    outputs: Outputs
    allowed: float


@dataclass(frozen=True)
class Distance:
    """The largest `difference` in any output, and the `allowed` one.

    Both are relative to the output's largest value where that is above 1.
    """

    difference: float
    allowed: float

    @property
    def too_large(self) -> bool:
        """Whether the difference is larger than allowed; NaN is."""
        return not self.difference <= self.allowed

    @property
    def problem(self) -> str:
        """What is wrong if it is too large, to follow "the outputs"."""
        return f"differ from those of the equations by {self.difference:.2g}, more than {self.allowed:.2g}"


def expected_outputs(sizes: Sizes, inputs: Inputs) -> ExpectedOutputs:
    """Return what the equations compute of inputs by the operator's names, in layout TNC.

    The error of FP32 depends on the network: a tanh cell, for example, carries every rounding from step to step. So the
    equations are computed in FP32 as well. A build may differ by as much as these do, times `margin` in `shapes.toml`.
    """

    def outputs(precision: type[np.floating]) -> Outputs:
        return run(sizes, inputs["data"], inputs["parameters"], inputs, precision)

    # One thread: the products of a step are small, and on busy cores threads would wait for one another.
    with threadpool_limits(1, user_api="blas"):
        exact = outputs(np.float64)
        rounded = outputs(np.float32)
    return ExpectedOutputs(exact, catalogue().margin * max(ROUNDING, largest_difference(rounded, exact)))


def distance(outputs: Outputs, expected: ExpectedOutputs) -> Distance:
    """Return how far a build's outputs are from the expected ones. Raises ValueError for another number of outputs."""
    return Distance(largest_difference(outputs, expected.outputs), expected.allowed)


def largest_difference(outputs: Outputs, exact: Outputs) -> float:
    """Return the largest difference, relative to the largest exact value where that is above 1; NaN stays NaN."""
    pairs = zip(outputs, exact, strict=True)
    return float(np.max([np.abs(a - b).max() / max(1.0, np.abs(b).max()) for a, b in pairs]))


def draw_inputs(
    shapes: Mapping[str, tuple[int, ...]], scales: Mapping[str, float], seed: int
) -> dict[str, NDArray[np.float32]]:
    """Return the inputs that a worker draws (perf.worker.graph.Graph.bind): standard normal values times `scales`."""
    draw = np.random.RandomState(seed)
    return {
        name: (draw.standard_normal(shape) * scales.get(name, 1.0)).astype(np.float32) for name, shape in shapes.items()
    }
