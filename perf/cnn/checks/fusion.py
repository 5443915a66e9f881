"""What fusion and quantisation made of a network: its layers by kind, compared with a stored list. Pure."""

from collections.abc import Iterable, Mapping

from perf.measure.workers.replies import GraphNode
from perf.profile.operators import SHORT_NAMES, kind_of, layer_name

# Operators that fusion can include in a subgraph.
FUSIBLE = frozenset(SHORT_NAMES) - {"clip"}

# Names of layers by kind. A layer has the name of the original network's operator whose output it computes.
LayersByKind = Mapping[str, tuple[str, ...]]


def layers_by_kind(nodes: Iterable[GraphNode]) -> LayersByKind:
    """Return subgraphs, operators in INT8, and operators that fusion could have included in a subgraph but did not."""
    kinds: dict[str, list[str]] = {}
    for node in nodes:
        if node.inside or node.quantized or node.op in FUSIBLE:
            kinds.setdefault(kind_of(node), []).append(layer_name(node))
    return {kind: tuple(kinds[kind]) for kind in sorted(kinds)}


def layer_differences(layers: LayersByKind, stored: LayersByKind) -> list[str]:
    """Return a description of each layer that is stored but lost, and of each that is new."""
    before, now = ({(kind, name) for kind, names in kinds.items() for name in names} for kinds in (stored, layers))
    lost = [f"lost {kind}: {name}" for kind, name in sorted(before - now, key=lambda layer: layer[1])]
    return lost + [f"new {kind}: {name}" for kind, name in sorted(now - before, key=lambda layer: layer[1])]


def operator_counts(nodes: Iterable[GraphNode]) -> dict[str, int]:
    """Return how many operators run as subgraphs, in INT8, and unfused although they could be fused."""
    nodes = list(nodes)
    return {
        "fused": sum(bool(node.inside) for node in nodes),
        "quantized": sum(node.quantized for node in nodes),
        "unfused": sum(node.op in FUSIBLE for node in nodes),
    }
