"""How far a build's outputs may be from what the equations say."""

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
# FP32 keeps a number to within this share of it.
ROUNDING = 2.0**-24


@dataclass(frozen=True, eq=False)
class Expected:
    """What the equations say, computed in double precision, and how far from it an FP32 computation may be."""

    outputs: Outputs
    allowed: float


@dataclass(frozen=True)
class Distance:
    """The largest difference found in any output, and what is allowed; both relative to the output's largest value
    where that is above 1.
    """

    found: float
    allowed: float

    @property
    def too_far(self) -> bool:
        """Also when it is not a number."""
        return not self.found <= self.allowed

    @property
    def words(self) -> str:
        return f"differ from the equations' by {self.found:.2g}, over {self.allowed:.2g}"


def expected(sizes: Sizes, inputs: Inputs) -> Expected:
    """The equations' outputs for inputs by the operator's names, in layout TNC.

    What FP32 costs depends on the network: a tanh cell carries every rounding on from step to step. So the equations
    are computed in FP32 too, and a build may be off by as much as these, times the margin in `shapes.toml`.
    """

    def outputs(precision: type[np.floating]) -> Outputs:
        return run(sizes, inputs["data"], inputs["parameters"], inputs, precision)

    # One thread: products of a single step are small, and on cores that others use, threads wait for one another.
    with threadpool_limits(1, user_api="blas"):
        exact = outputs(np.float64)
        rounded = outputs(np.float32)
    return Expected(exact, catalogue().margin * max(ROUNDING, difference(rounded, exact)))


def distance(outputs: Outputs, expected: Expected) -> Distance:
    """How far a build's outputs are from the expected ones, and may be. ValueError when they are not as many."""
    return Distance(difference(outputs, expected.outputs), expected.allowed)


def difference(outputs: Outputs, exact: Outputs) -> float:
    """The largest difference, relative to the largest exact value where that is above 1; NaN stays NaN."""
    pairs = zip(outputs, exact, strict=True)
    return float(np.max([np.abs(a - b).max() / max(1.0, np.abs(b).max()) for a, b in pairs]))


def drawn(
    shapes: Mapping[str, tuple[int, ...]], scales: Mapping[str, float], seed: int
) -> dict[str, NDArray[np.float32]]:
    """The inputs that a worker draws for them (perf.worker.graph.Graph.bind): standard normal values times scales."""
    draw = np.random.RandomState(seed)
    return {
        name: (draw.standard_normal(shape) * scales.get(name, 1.0)).astype(np.float32) for name, shape in shapes.items()
    }
