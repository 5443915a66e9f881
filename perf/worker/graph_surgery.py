"""Symbols changed as JSON: cut between layers, so that each runs on prescribed inputs, or without attributes that a
release does not know. Works with every MXNet 1.x build.
"""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import mxnet as mx

# The prefix of the variable that replaces an operator's output.
SUBSTITUTE = "substitute:"


def load_symbol(path: str, unknown: Mapping[str, Mapping[str, str]]) -> Any:
    """Return the symbol in a file, without the attributes, by operator, that are `unknown` to this release and have the
    only value that it computes. Any other value remains, and is refused by MXNet.
    """
    if not unknown:
        return mx.sym.load(path)
    graph = json.loads(Path(path).read_text())
    for node in graph["nodes"]:
        own, values = node.get("attrs", {}), unknown.get(node["op"], {})
        node["attrs"] = {name: value for name, value in own.items() if values.get(name) != value}
    return mx.sym.load_json(json.dumps(graph))


def cut(symbol: Any, replaced: Collection[str]) -> Any:
    """Return the symbol with every use of the first output of the `replaced` operators replaced by a variable, named
    `SUBSTITUTE` and the operator's name. Its outputs are the first outputs of all operators, in order.
    """
    graph = json.loads(symbol.tojson())
    names = [node["name"] for node in graph["nodes"] if node["op"] != "null" and node["name"] in replaced]
    variables = [{"op": "null", "name": SUBSTITUTE + name, "inputs": []} for name in names]
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
