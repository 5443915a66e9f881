"""A concat of convolutions, some of which end in a ReLU: the example that takes several operators."""

import numpy as np
from numpy.typing import NDArray

from perf.cnn.operators.base import OperatorCase, OperatorNode, operator_node


class Joined(OperatorCase, frozen=True, tag="concat", kw_only=True):
    """A concat along the channels of 1x1 convolutions of one image with one weight.

    `batch`: images of a pass. `signs`: whether each convolution keeps its signs; if not, a ReLU follows.
    """

    signs: tuple[bool, ...]
    batch: int = 1

    @property
    def data_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"data0": (self.batch, 1, 4, 4)}

    @property
    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"weight": (1, 1, 1, 1)}

    @property
    def nodes(self) -> list[OperatorNode]:
        branches, attributes = [], {"num_filter": 1, "kernel": (1, 1), "no_bias": True}
        for place, signed in enumerate(self.signs):
            name, relu = f"convolution{place}", f"relu{place}"
            branches.append([operator_node("Convolution", name, attributes, ["data0", "weight"])])
            branches[-1] += [] if signed else [operator_node("Activation", relu, {"act_type": "relu"}, [name])]
        ends = [branch[-1]["name"] for branch in branches]
        concat = operator_node("Concat", "concat", {"dim": 1, "num_args": len(ends)}, ends)
        return [
            *(node for branch in branches for node in branch),
            concat,
            operator_node("identity", "copy", {}, ["concat"]),
        ]

    def output(self) -> NDArray[np.float64]:
        """Return what the operators must compute of the case's own data."""
        products = self.data()["data0"].astype(np.float64) * self.parameters()["weight"].astype(np.float64)
        return np.concatenate([products if signed else np.maximum(products, 0) for signed in self.signs], axis=1)
