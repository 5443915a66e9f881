"""What a symbol holds and costs. Works with every MXNet 1.x build."""

import json
import math
from typing import Any

# Operators whose multiply-adds are counted; all others cost little beside them.
_HEAVY = ("Convolution", "FullyConnected")


def operators_of(symbol: Any) -> list[dict[str, Any]]:
    """The operators of a symbol in the order they run: `name`, `op`, whether it computes in INT8 (`quantized`), and the
    operators that fusion put `inside` it, each as (op, name), in order.
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
    """Multiply-adds of one pass over inputs of these shapes (name: shape), in convolutions and fully-connected layers.

    Each value of an output (batch, channels, ...) takes as many as one output channel has weights: the product of the
    output's shape times the product of the weight's shape over the number of channels. Nodes that fusion has put into
    subgraphs are not seen: count them in the symbol as it was before.
    """
    inner = symbol.get_internals()
    names = inner.list_outputs()
    _, found, _ = inner.infer_shape(**{name: tuple(shape) for name, shape in inputs.items()})
    shapes = dict(zip(names, found, strict=True))
    nodes = json.loads(symbol.tojson())["nodes"]
    total = 0
    for node in nodes:
        if node["op"] in _HEAVY:
            _, (weight, *_), *_ = node["inputs"]  # each input is named by its node's number, its output's and a version
            output = shapes[f"{node['name']}_output"]
            total += math.prod(output) // output[1] * math.prod(shapes[nodes[weight]["name"]])
    return total
