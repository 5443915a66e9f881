"""What fusion and quantisation made of a network: its layers by kind, compared with a stored list. Pure."""

from collections.abc import Iterable, Mapping

from perf.measure.workers.replies import GraphNode

# What operators are called in the name of a kind, such as "conv+bn+relu". The others keep MXNet's name.
WORDS = {
    "Convolution": "conv",
    "FullyConnected": "fc",
    "BatchNorm": "bn",
    "Activation": "relu",
    "clip": "relu6",
    "elemwise_add": "sum",
    "broadcast_add": "sum",
}
# What fusion could take into a subgraph.
FUSIBLE = frozenset(WORDS) - {"clip"}
QUANTISED = "_contrib_quantized_"

# Names of layers by kind. A layer is named by the operator whose output it gives, as the network had it before.
Layers = Mapping[str, tuple[str, ...]]


def layers_of(nodes: Iterable[GraphNode]) -> Layers:
    """Subgraphs, operators in INT8, and operators that fusion could have taken into a subgraph and did not."""
    kinds: dict[str, list[str]] = {}
    for node in nodes:
        if node.inside or node.quantized or node.op in FUSIBLE:
            kinds.setdefault(kind_of(node), []).append(layer_of(node))
    return {kind: tuple(kinds[kind]) for kind in sorted(kinds)}


def kind_of(node: GraphNode) -> str:
    """Such as "conv+bn+relu" for a subgraph, "int8 conv+bn+relu" for a quantised one, "int8 pooling" for a quantised
    operator, and "unfused bn" for what is neither.
    """
    if node.inside:
        kind = "+".join(WORDS.get(op, op) for op, _ in node.inside)
        return f"int8 {kind}" if node.quantized else kind
    if node.quantized:
        return f"int8 {node.op.removeprefix(QUANTISED)}"
    return f"unfused {WORDS.get(node.op, node.op)}"


def layer_of(node: GraphNode) -> str:
    """The operator of the network as it was before fusion and quantisation whose output this one gives."""
    return node.inside[-1][1] if node.inside else node.name.removeprefix("quantized_")


def differences(found: Layers, stored: Layers) -> list[str]:
    """What differs, a sentence for each layer: it was lost, or it is new."""
    then, now = ({(kind, name) for kind, names in layers.items() for name in names} for layers in (stored, found))
    lost = [f"lost {kind}: {name}" for kind, name in sorted(then - now, key=lambda layer: layer[1])]
    return lost + [f"new {kind}: {name}" for kind, name in sorted(now - then, key=lambda layer: layer[1])]


def counts_of(nodes: Iterable[GraphNode]) -> dict[str, int]:
    """How many operators run as subgraphs, in INT8, and unfused though they could be fused."""
    nodes = list(nodes)
    return {
        "fused": sum(bool(node.inside) for node in nodes),
        "quantized": sum(node.quantized for node in nodes),
        "unfused": sum(node.op in FUSIBLE for node in nodes),
    }
