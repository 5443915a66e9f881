"""Which operators of two stacks compute the same part of a network. Pure.

Fusion and quantisation put several operators of the original network into one, and insert conversions. Operators of two
stacks belong together when they compute an operator of the original network in common.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from perf.measure.workers.replies import GraphNode
from perf.profile.operators import QUANTISED_NAME, kind_of


@dataclass(frozen=True)
class Layer:
    """A part of a network: its operators in the baseline's stack (`then`) and in the candidate's (`now`), in the order
    in which they run. One of the two may be empty.
    """

    then: tuple[GraphNode, ...]
    now: tuple[GraphNode, ...]

    @property
    def name(self) -> str:
        """The name of its first operator in the original network."""
        first = (self.now or self.then)[0]
        return first.inside[0][1] if first.inside else first.name.removeprefix(QUANTISED_NAME)

    @property
    def restructured(self) -> bool:
        """Whether other operators run than before: fused, divided, or quantised in another way."""
        return [_structure(node) for node in self.then] != [_structure(node) for node in self.now]


def text_of(nodes: Sequence[GraphNode]) -> str:
    """Return operators as text, such as "conv+bn+relu", or "conv, bn, relu" where they run one by one; "-" for none."""
    return ", ".join(kind_of(node).removeprefix("unfused ") for node in nodes) or "-"


def layers_of(then: Sequence[GraphNode], now: Sequence[GraphNode]) -> list[Layer]:
    """Return the layers of two stacks, in the order in which the candidate runs them; those that only the baseline has
    come last.

    A conversion, or any other operator that one stack alone has, belongs to the next layer that both have, if that is
    restructured, or else to the one before; without such a neighbour it is a layer of its own.
    """
    layers = _connected(then, now)
    for nodes, of_now in ((then, False), (now, True)):
        layers = _with_added(layers, nodes, of_now=of_now)
    return layers


def _connected(then: Sequence[GraphNode], now: Sequence[GraphNode]) -> list[Layer]:
    """Return the layers by the operators of the original network that they have in common."""
    layers: list[tuple[set[str], Layer]] = []
    for node, of_now in [*((node, True) for node in now), *((node, False) for node in then)]:
        names = _originals(node)
        joined = [entry for entry in layers if entry[0] & names]
        own = Layer((), (node,)) if of_now else Layer((node,), ())
        merged = _merged([*(layer for _, layer in joined), own])
        place = layers.index(joined[0]) if joined else len(layers)
        layers = [entry for entry in layers if entry not in joined]
        layers.insert(place, (names.union(*(entry[0] for entry in joined)), merged))
    return [layer for _, layer in layers]


def _with_added(layers: Sequence[Layer], nodes: Sequence[GraphNode], *, of_now: bool) -> list[Layer]:
    """Return the layers after operators that one stack alone has joined a restructured neighbour."""
    kept = list(layers)

    def layer_of(node: GraphNode) -> Layer:
        return next(layer for layer in kept if node in (layer.now if of_now else layer.then))

    common = [bool(layer_of(node).then and layer_of(node).now) for node in nodes]
    for place, node in enumerate(nodes):
        if common[place]:
            continue
        after = next((nodes[n] for n in range(place + 1, len(nodes)) if common[n]), None)
        before = next((nodes[n] for n in range(place - 1, -1, -1) if common[n]), None)
        neighbours = [layer_of(neighbour) for neighbour in (after, before) if neighbour is not None]
        adjacent = next((layer for layer in neighbours if layer.restructured), None)
        if adjacent is not None:
            own = layer_of(node)
            kept[kept.index(adjacent)] = _merged([adjacent, own])
            kept.remove(own)
    return [_in_order(layer, then=None if of_now else nodes, now=nodes if of_now else None) for layer in kept]


def _in_order(layer: Layer, *, then: Sequence[GraphNode] | None, now: Sequence[GraphNode] | None) -> Layer:
    if then is not None:
        layer = replace(layer, then=tuple(sorted(layer.then, key=then.index)))
    return layer if now is None else replace(layer, now=tuple(sorted(layer.now, key=now.index)))


def _merged(layers: Iterable[Layer]) -> Layer:
    layers = list(layers)
    return Layer(
        tuple(node for layer in layers for node in layer.then), tuple(node for layer in layers for node in layer.now)
    )


def _originals(node: GraphNode) -> set[str]:
    """Return the names of the operators of the original network that a node computes."""
    return {name for _, name in node.inside} or {node.name.removeprefix(QUANTISED_NAME)}


def _structure(node: GraphNode) -> tuple[str, bool, tuple[str, ...]]:
    return node.op, node.quantized, tuple(op for op, _ in node.inside)
