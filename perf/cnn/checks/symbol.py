"""The layers of a network's symbol file: which operator each is, what its inputs come from, and its range. Pure.

What is said of types and steps is that of MXNet 1.5 with MKL-DNN (perf/cnn/operators/int8.py gives the sources).
"""

import ast
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from perf.cnn.checks.fusion import QUANTISED

Shape = Sequence[int]
Attributes = Mapping[str, str]
# Operators that run in the type and step of their data.
_PASSING = frozenset({"pooling", "act", "flatten"})
_OPERATORS = {"_sg_mkldnn_conv": "convolution", "_sg_mkldnn_fully_connected": "fully_connected"}


@dataclass(frozen=True)
class Range:
    """A calibrated range: `signed` values have 127 steps on either side, others 255."""

    low: float
    high: float
    signed: bool

    @property
    def largest(self) -> float:
        """The largest size that has a step of its own."""
        return max(-self.low, self.high)

    @property
    def step(self) -> float:
        """The distance between two neighbours."""
        return self.largest / (127 if self.signed else 255)


@dataclass(frozen=True)
class Layer:
    """An operator of a symbol. `kind` is "convolution", "fully_connected", "quantize_v2", or MXNet's word for another
    quantised operator; None for one in FP32. `attributes` are those of the operator that fusion began with, `inside`
    those of all that it put inside, by operator. `inputs` are the names of the nodes of data, parameters, and a sum's
    addend, in order, without those of ranges.
    """

    name: str
    op: str
    kind: str | None
    own: Attributes
    attributes: Attributes
    inside: Mapping[str, Attributes]
    inputs: tuple[str, ...]

    @property
    def normalised(self) -> bool:
        """Whether a batch norm is fused into it."""
        return "BatchNorm" in self.inside

    @property
    def summed(self) -> bool:
        """Whether an addend is fused into it."""
        return bool({"elemwise_add", "broadcast_add"} & set(self.inside))

    @property
    def rectified(self) -> bool:
        """Whether it ends with a relu, so that its output is unsigned."""
        return bool(self.inside) and list(self.inside)[-1] in {"Activation", "clip"}

    @property
    def biased(self) -> bool:
        """Whether it has a bias of its own."""
        return not self.flag("no_bias")

    @property
    def data(self) -> tuple[str, ...]:
        """The names of the nodes of its data: one, with an addend two, of a concat all."""
        if self.kind == "concat":
            return self.inputs
        return (self.inputs[0], *((self.inputs[-1],) if self.summed else ()))

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of its parameters in the network before quantisation: weight, bias if there is one, and those of
        its batch norm.
        """
        names = self.inputs[1 : 2 + self.biased + 4 * self.normalised]
        return tuple(name.removesuffix("_quantize") for name in names)

    def pair(self, name: str, default: int) -> tuple[int, int]:
        """An attribute of (height, width). ValueError when it has other dimensions."""
        values = ast.literal_eval(self.attributes.get(name, "()")) or (default, default)
        height, width = values
        return height, width

    def flag(self, name: str) -> bool:
        """An attribute that is true or false."""
        return self.attributes.get(name, "False").lower() in {"true", "1"}

    def number(self, name: str, default: int = 0) -> int:
        """An attribute that is a whole number."""
        return int(self.attributes.get(name, default))


class Layers(Mapping[str, Layer]):
    """The layers of a symbol by the name of their node, in the order they run. `values` are what nodes put out in a
    pass, by name: the ranges of those that were not calibrated are taken from them.
    """

    def __init__(self, symbol: Mapping[str, Any], values: Mapping[str, NDArray[Any]] | None = None) -> None:
        nodes = symbol["nodes"]
        self._layers = {node["name"]: _layer(node, nodes) for node in nodes if node["op"] != "null"}
        self.heads = frozenset(nodes[number]["name"] for number, *_ in symbol["heads"])
        self._values = values or {}
        self._ranges: dict[str, Range | None] = {}

    def __getitem__(self, name: str) -> Layer:
        return self._layers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)

    def range_of(self, name: str) -> Range | None:
        """The range of a node's output; None where it is in FP32, or not known."""
        if name not in self._ranges:
            self._ranges[name] = self._range_of(self[name]) if name in self else None
        return self._ranges[name]

    def _range_of(self, layer: Layer) -> Range | None:
        if layer.kind in _PASSING:
            return self.range_of(layer.inputs[0])
        if layer.kind == "concat":
            parts = [self.range_of(name) for name in layer.inputs]
            if None in parts:
                return None
            known = [part for part in parts if part]
            signed = any(part.signed for part in known)
            return Range(min(part.low for part in known), max(part.high for part in known), signed)
        if layer.kind == "quantize_v2" and "max_calib_range" not in layer.own and layer.inputs[0] in self._values:
            values = self._values[layer.inputs[0]]
            return Range(float(values.min()), float(values.max()), signed=True)
        if layer.kind is None or "max_calib_range" not in layer.own:
            return None
        low, high = float(layer.own["min_calib_range"]), float(layer.own["max_calib_range"])
        return Range(low, high, low < 0 if layer.kind == "quantize_v2" else not layer.rectified)


def read_layers(symbol: Path, values: Mapping[str, NDArray[Any]] | None = None) -> Layers:
    """The layers of a symbol file, and what its nodes put out in a pass. OSError when it cannot be read."""
    return Layers(json.loads(symbol.read_text()), values)


def _layer(node: Mapping[str, Any], nodes: Sequence[Mapping[str, Any]]) -> Layer:
    own = node.get("attrs", {})
    inner = [part for sub in node.get("subgraphs", []) for part in sub["nodes"] if part["op"] != "null"]
    inside = {part["op"]: part.get("attrs", {}) for part in inner}
    layer = Layer(
        name=node["name"],
        op=node["op"],
        kind=_kind(node["op"], own),
        own=own,
        attributes=next(iter(inside.values()), own),
        inside=inside,
        inputs=tuple(nodes[source]["name"] for source, *_ in node["inputs"]),
    )
    return layer if layer.kind is None else _without_ranges(layer)


def _kind(op: str, own: Attributes) -> str | None:
    if op in _OPERATORS:
        return _OPERATORS[op] if own.get("quantized", "").lower() == "true" else None
    if op == "_contrib_quantize_v2":
        return "quantize_v2"
    return op.removeprefix(QUANTISED) if op.startswith(QUANTISED) else None


def _without_ranges(layer: Layer) -> Layer:
    """A quantised layer's inputs end with the ranges of each."""
    count = {"concat": layer.number("num_args"), "fully_connected": 2 + layer.biased}.get(layer.kind or "", 1)
    if layer.kind == "convolution":
        count = 2 + layer.biased + 4 * layer.normalised + layer.summed
    return Layer(**{**vars(layer), "inputs": layer.inputs[:count]})
