"""Which layers of a network a known defect of several operators together affects."""

from typing import Any

import pytest

from perf.cnn.checks.defects import expanded_reshapes, layer_defects, reused_outputs
from perf.cnn.checks.symbol import SymbolLayers
from tests.support.fakes import facts

Node = tuple[str, str, list[str]]
MKL, RIGHT = (facts(distribution="mxnet-mkl", mkldnn=True, mxnet=version) for version in ("1.5.0", "1.4.1"))
FIRST, SECOND = ("Convolution", "first", ["data", "weight"]), ("Convolution", "second", ["relu", "weight"])
NORM = ("BatchNorm", "norm", ["first"])
RELU_OF_FIRST, RELU_OF_NORM = ("Activation", "relu", ["first"]), ("Activation", "relu", ["norm"])


def network(*nodes: Node) -> SymbolLayers:
    """Return the layers of a network of nodes, each with its operator, its name and the names of its inputs."""
    every: list[Node] = [("null", "data", []), ("null", "weight", []), *nodes]
    places = {name: place for place, (_, name, _) in enumerate(every)}
    made: list[dict[str, Any]] = [
        {"op": op, "name": name, "inputs": [[places[source], 0, 0] for source in sources]}
        for op, name, sources in every
    ]
    return SymbolLayers({"nodes": made, "heads": [[len(made) - 1, 0, 0]]})


@pytest.mark.parametrize(
    ("nodes", "reused"),
    [
        ([FIRST, RELU_OF_FIRST, SECOND, ("elemwise_add", "sum", ["second", "first"])], True),
        ([FIRST, NORM, RELU_OF_NORM, SECOND, ("elemwise_add", "sum", ["second", "first"])], True),
        ([FIRST, NORM, RELU_OF_NORM, SECOND, ("elemwise_add", "sum", ["norm", "second"])], True),
        # The addend is what the whole subgraph returns.
        ([FIRST, RELU_OF_FIRST, SECOND, ("elemwise_add", "sum", ["second", "relu"])], False),
        # The sum does not depend on what is fused.
        ([FIRST, RELU_OF_FIRST, ("elemwise_add", "sum", ["first", "data"])], False),
        # Any user but a sum ends the search for what to fuse.
        ([FIRST, RELU_OF_FIRST, SECOND, ("Concat", "concat", ["second", "first"])], False),
        ([("Pooling", "first", ["data"]), RELU_OF_FIRST, ("elemwise_add", "sum", ["relu", "first"])], False),
    ],
)
def test_a_sum_takes_what_lies_inside_of_a_fused_convolution(nodes: list[Node], reused: bool) -> None:
    layers, shapes = network(*nodes), {"weight": (1, 1, 1, 1)}
    assert reused_outputs(layers) == ["first"] * reused
    assert layer_defects(layers, "mkl-fp32", MKL, shapes) == ({"first": ["fp32-reused-output"]} if reused else {})
    assert layer_defects(layers, "native-fp32", MKL, shapes) == {}
    assert layer_defects(layers, "mkl-fp32", RIGHT, shapes) == {}


@pytest.mark.parametrize(
    ("nodes", "affected"),
    [
        ([FIRST, ("expand_dims", "wider", ["first"]), ("Reshape", "shaped", ["wider"])], ["shaped"]),
        ([FIRST, ("expand_dims", "wider", ["first"]), ("transpose", "turned", ["wider"])], []),
        ([FIRST, ("Reshape", "shaped", ["first"])], []),
    ],
)
def test_a_reshape_moves_values_where_an_axis_was_added_before(nodes: list[Node], affected: list[str]) -> None:
    layers, shapes = network(*nodes), {"weight": (1, 1, 1, 1)}
    assert expanded_reshapes(layers) == affected
    named = layer_defects(layers, "mkl-fp32", MKL, shapes)
    assert named == {name: ["fp32-expanded-reshape"] for name in affected}
