"""A network cut between its layers, so that each runs on inputs given to it. Works with every MXNet 1.x build."""

import json
from collections.abc import Collection
from typing import Any

import mxnet as mx

# In front of an operator's name: the variable that stands for its output.
GIVEN = "given:"


def cut(symbol: Any, given: Collection[str]) -> Any:
    """The symbol with every use of the first output of the `given` operators, by name, replaced by a variable named
    `GIVEN` and that name; all operators' first outputs are the outputs, in order.
    """
    graph = json.loads(symbol.tojson())
    names = [node["name"] for node in graph["nodes"] if node["op"] != "null" and node["name"] in given]
    variables = [{"op": "null", "name": GIVEN + name, "inputs": []} for name in names]
    for node in graph["nodes"]:
        node["inputs"] = [
            [names.index(graph["nodes"][source]["name"]), 0, 0]
            if graph["nodes"][source]["name"] in names and output == 0
            else [source + len(variables), output, *version]
            for source, output, *version in node["inputs"]
        ]
    nodes = [*variables, *graph["nodes"]]
    operators = [number for number, node in enumerate(nodes) if node["op"] != "null"]
    return mx.sym.load_json(
        json.dumps(
            {
                "nodes": nodes,
                "arg_nodes": [number for number, node in enumerate(nodes) if node["op"] == "null"],
                "heads": [[number, 0, 0] for number in operators],
                "attrs": graph["attrs"],
            }
        )
    )
