"""The operators of a symbol and their cost. Works with every MXNet 1.x build."""

import json
import math
from collections.abc import Collection
from typing import Any

# Operators whose multiply-adds are counted; the rest cost little in comparison.
_HEAVY = ("Convolution", "FullyConnected")


def operators_of(symbol: Any) -> list[dict[str, Any]]:
    """Return the operators of a symbol in the order in which they run.

    Each has its `name`, its `op`, whether it computes in INT8 (`quantized`), and the operators that fusion put `inside`
    it, each as (op, name), in order.
    """
    return [
        {
            "name": node["name"],
            "op": node["op"],
            "quantized": node["op"].startswith("_contrib_quantized_")
            or node.get("attrs", {}).get("quantized", "").lower() == "true",
            "inside": [
                (inner["op"], inner["name"])
                for subgraph in node.get("subgraphs", [])
                for inner in subgraph["nodes"]
                if inner["op"] != "null"
            ],
        }
        for node in json.loads(symbol.tojson())["nodes"]
        if node["op"] != "null"
    ]


def cost_of(symbol: Any, inputs: dict[str, list[int]]) -> dict[str, Any]:
    """Return what one pass over inputs (name: shape) costs at least.

    `layers` holds convolutions and fully-connected layers in the order in which they run, each with its `name`, its
    `multiply_adds`, and the numbers of values in its `weights`, `inputs` and `outputs`. `weight_values` counts all
    parameters, `io_values` the network's inputs and outputs.

    Each value of a layer's output takes one multiply-add for each weight of its channel: the
    product of the output's shape times the product of the weight's shape over the number of channels. Operators inside
    fused subgraphs are not counted: pass the symbol from before fusion.
    """
    shapes = {name: tuple(shape) for name, shape in inputs.items()}
    inner = symbol.get_internals()
    names = inner.list_outputs()
    _, inferred, _ = inner.infer_shape(**shapes)
    of_output = dict(zip(names, inferred, strict=True))
    nodes = json.loads(symbol.tojson())["nodes"]
    layers = []
    for node in nodes:
        if node["op"] in _HEAVY:
            (data, *_), (weight, *_), *_ = node["inputs"]  # an input is (node, output, version)
            output = of_output[f"{node['name']}_output"]
            weights = math.prod(of_output[nodes[weight]["name"]])
            # Without flattening, a fully-connected layer keeps every axis of its input but the last.
            channels = output[-1] if node["op"] == "FullyConnected" else output[1]
            layers.append(
                {
                    "name": node["name"],
                    "multiply_adds": math.prod(output) // channels * weights,
                    "weights": weights,
                    "inputs": math.prod(of_output[_output_name(nodes[data]["name"], of_output)]),
                    "outputs": math.prod(output),
                }
            )
    arguments, outputs, states = symbol.infer_shape(**shapes)
    parameters = [shape for name, shape in zip(symbol.list_arguments(), arguments, strict=True) if name not in shapes]
    return {
        "layers": layers,
        "weight_values": sum(map(math.prod, [*parameters, *states])),
        "io_values": sum(map(math.prod, [*shapes.values(), *outputs])),
    }


def _output_name(node: str, outputs: Collection[str]) -> str:
    """Return the name of a node's first output: that of a variable is the variable's."""
    return next(name for name in (node, f"{node}_output", f"{node}_output0") if name in outputs)
