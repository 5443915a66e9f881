"""The operators of a symbol and their cost. Works with every MXNet 1.x build."""

import json
import math
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


def count_multiply_adds(symbol: Any, inputs: dict[str, list[int]]) -> int:
    """Return the multiply-adds of convolutions and fully-connected layers in one pass over inputs (name: shape).

    Each value of an output (batch, channels, ...) takes one for each weight of its channel: the product of the output's
    shape times the product of the weight's shape over the number of channels. Operators inside fused subgraphs are not
    counted: pass the symbol from before fusion.
    """
    inner = symbol.get_internals()
    names = inner.list_outputs()
    _, inferred, _ = inner.infer_shape(**{name: tuple(shape) for name, shape in inputs.items()})
    shapes = dict(zip(names, inferred, strict=True))
    nodes = json.loads(symbol.tojson())["nodes"]
    total = 0
    for node in nodes:
        if node["op"] in _HEAVY:
            _, (weight, *_), *_ = node["inputs"]  # an input is (node, output, version)
            output = shapes[f"{node['name']}_output"]
            total += math.prod(output) // output[1] * math.prod(shapes[nodes[weight]["name"]])
    return total
