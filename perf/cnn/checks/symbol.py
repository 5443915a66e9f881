"""The layers of a network's symbol file: their operators, inputs and calibrated ranges. Pure.

Types and steps are those of MXNet 1.5 with MKL-DNN; perf/cnn/operators/int8.py names the sources.
"""

import ast
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from perf.errors import PerfError
from perf.files import read_json
from perf.profile.operators import QUANTISED

ArrayShape = Sequence[int]
Attributes = Mapping[str, str]
# What to do about a damaged symbol.
AGAIN = "remove the network's folder from the cache, and it is prepared again"
# Quantised operators whose output has the type and step of their data.
_PASS_THROUGH = frozenset({"pooling", "act", "flatten"})
# The kinds of fused subgraphs.
_SUBGRAPHS = {"_sg_mkldnn_conv": "convolution", "_sg_mkldnn_fully_connected": "fully_connected"}


@dataclass(frozen=True)
class CalibratedRange:
    """The range from `low` to `high` that calibration found for a value.

    `signed` ranges have 127 steps on either side of zero, unsigned ranges have 255 steps.
    """

    low: float
    high: float
    signed: bool

    @property
    def largest(self) -> float:
        """The largest absolute value in the range: the threshold."""
        return max(-self.low, self.high)

    @property
    def step(self) -> float:
        """The size of a step."""
        return self.largest / (127 if self.signed else 255)


@dataclass(frozen=True)
class Layer:
    """An operator of a symbol.

    `name`: its node. `op`: MXNet's operator. `kind`: "convolution", "fully_connected", "quantize_v2" or MXNet's name of
    another quantised operator; None in FP32. `own`: the node's own attributes. `attributes`: those of the first
    operator of a subgraph, else the node's own. `inside`: the attributes of each operator in a subgraph, by operator.
    `inputs`: the nodes of data, parameters and a sum's addend, in order, without those of ranges.
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
        """Whether it includes a batch norm."""
        return "BatchNorm" in self.inside

    @property
    def summed(self) -> bool:
        """Whether it includes the sum with an addend."""
        return bool({"elemwise_add", "broadcast_add"} & set(self.inside))

    @property
    def rectified(self) -> bool:
        """Whether it ends with a relu, which makes its output unsigned."""
        return bool(self.inside) and list(self.inside)[-1] in {"Activation", "clip"}

    @property
    def biased(self) -> bool:
        """Whether it has a bias."""
        return not self.flag("no_bias")

    @property
    def data(self) -> tuple[str, ...]:
        """The nodes of its data: one, two with an addend, or all inputs of a concat."""
        if self.kind == "concat":
            return self.inputs
        return (self.inputs[0], *((self.inputs[-1],) if self.summed else ()))

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of its parameters in the network before quantisation: weight, bias if any, and batch norm's."""
        names = self.inputs[1 : 2 + self.biased + 4 * self.normalised]
        return tuple(name.removesuffix("_quantize") for name in names)

    def pair(self, name: str, default: int) -> tuple[int, int]:
        """Return an attribute of (height, width). Raises ValueError when it has other dimensions."""
        values = ast.literal_eval(self.attributes.get(name, "()")) or (default, default)
        height, width = values
        return height, width

    def flag(self, name: str) -> bool:
        """Return an attribute that is true or false; false if it is missing."""
        return self.attributes.get(name, "False").lower() in {"true", "1"}

    def number(self, name: str, default: int = 0) -> int:
        """Return an attribute that is an integer."""
        return int(self.attributes.get(name, default))


class SymbolLayers(Mapping[str, Layer]):
    """The layers of a symbol by node, in execution order. `heads` are the nodes whose outputs the network returns.

    `values` are outputs of nodes in a pass, by node. They provide the ranges that were not calibrated.
    """

    def __init__(self, symbol: Mapping[str, Any], values: Mapping[str, NDArray[Any]] | None = None) -> None:
        nodes = symbol["nodes"]
        self._layers = {node["name"]: _layer(node, nodes) for node in nodes if node["op"] != "null"}
        self.heads = frozenset(nodes[number]["name"] for number, *_ in symbol["heads"])
        self._values = values or {}
        self._ranges: dict[str, CalibratedRange | None] = {}

    def __getitem__(self, name: str) -> Layer:
        return self._layers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)

    def range_of(self, name: str) -> CalibratedRange | None:
        """Return the range of a node's output; None if it is in FP32 or not known."""
        if name not in self._ranges:
            self._ranges[name] = self._range_of(self[name]) if name in self else None
        return self._ranges[name]

    def _range_of(self, layer: Layer) -> CalibratedRange | None:
        if layer.kind in _PASS_THROUGH:
            return self.range_of(layer.inputs[0])
        if layer.kind == "concat":
            parts = [self.range_of(name) for name in layer.inputs]
            if None in parts:
                return None
            known = [part for part in parts if part]
            signed = any(part.signed for part in known)
            return CalibratedRange(min(part.low for part in known), max(part.high for part in known), signed)
        if layer.kind == "quantize_v2" and "max_calib_range" not in layer.own and layer.inputs[0] in self._values:
            values = self._values[layer.inputs[0]]
            return CalibratedRange(float(values.min()), float(values.max()), signed=True)
        if layer.kind is None or "max_calib_range" not in layer.own:
            return None
        low, high = float(layer.own["min_calib_range"]), float(layer.own["max_calib_range"])
        return CalibratedRange(low, high, low < 0 if layer.kind == "quantize_v2" else not layer.rectified)


def read_layers(symbol: Path, values: Mapping[str, NDArray[Any]] | None = None) -> SymbolLayers:
    """Return the layers of a symbol file, with `values` as for SymbolLayers. Raises PerfError, naming the file, when it
    cannot be read, or its nodes, attributes or ranges are not those of a network.
    """
    content = read_json(symbol, dict[str, Any], next_step=AGAIN)
    try:
        layers = SymbolLayers(content, values)
        ranges = [known for name in layers if (known := layers.range_of(name))]
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise PerfError(f"is damaged: {error!r}", subject=str(symbol), next_step=AGAIN) from error
    if not all(math.isfinite(one.low) and math.isfinite(one.high) and one.low <= one.high for one in ranges):
        raise PerfError("is damaged: it has an impossible range", subject=str(symbol), next_step=AGAIN)
    return layers


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
    if op in _SUBGRAPHS:
        return _SUBGRAPHS[op] if own.get("quantized", "").lower() == "true" else None
    if op == "_contrib_quantize_v2":
        return "quantize_v2"
    return op.removeprefix(QUANTISED) if op.startswith(QUANTISED) else None


def _without_ranges(layer: Layer) -> Layer:
    """Return a quantised layer without the ranges, which follow its other inputs."""
    count = {"concat": layer.number("num_args"), "fully_connected": 2 + layer.biased}.get(layer.kind or "", 1)
    if layer.kind == "convolution":
        count = 2 + layer.biased + 4 * layer.normalised + layer.summed
    return Layer(**{**vars(layer), "inputs": layer.inputs[:count]})
