"""Which layers of a network the known defects of the wheels affect. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from perf.builds import BuildFacts
from perf.cnn.checks.symbol import ArrayShape, Layer, SymbolLayers
from perf.cnn.networks import REFERENCE
from perf.cnn.operators.base import OperatorCase, Pair
from perf.cnn.operators.kinds import Convolution, Pooling, Residual
from perf.cnn.operators.regions import defects_covering
from perf.defects import all_defects, defects_of
from perf.wording import counted

# The `check` of defects of several layers together, which no single operator shows.
NETWORKS = "networks"
CONCAT = "int8-concat-of-types"
REUSED = "fp32-reused-output"
EXPANDED = "fp32-expanded-reshape"
# What the pass that fuses takes into a convolution's subgraph, as long as no other operator uses what lies between.
FOLLOWING = frozenset({"BatchNorm", "Activation", "LeakyReLU", "clip"})
SUM = "elemwise_add"
# Stands for channels, height and width that are not known: a full block, and larger than any kernel.
UNKNOWN = (32, 1 << 16, 1 << 16)


def layer_defects(
    layers: SymbolLayers,
    variant: str,
    facts: BuildFacts,
    parameters: Mapping[str, ArrayShape],
    outputs: Mapping[str, ArrayShape] | None = None,
) -> dict[str, list[str]]:
    """Return the names of an installation's known defects that affect layers of a variant, by the layer's node.

    Layers without a defect are left out. `parameters` are shapes by name; `outputs` are shapes of nodes' outputs, as
    far as they are known.
    """
    defects = {}
    for name, layer in layers.items():
        case = case_of(layer, parameters, outputs or {}, last=name in layers.heads)
        ranges = [layers.range_of(source) for source in layer.data]
        signs = {f"data{place}": range_ is None or range_.signed for place, range_ in enumerate(ranges)}
        names = defects_covering(case, variant, signs, facts) if case else []
        if layer.kind == "concat" and len({range_.signed for range_ in ranges if range_}) > 1:
            names += [CONCAT] if defects_of(NETWORKS)[CONCAT].is_in(facts) else []
        if names:
            defects[name] = names
    if variant != REFERENCE:
        for defect, find_layers in IN_NETWORKS.items():
            affected = find_layers(layers) if defects_of(NETWORKS)[defect].is_in(facts) else []
            defects |= {name: [*defects.get(name, []), defect] for name in affected}
    return defects


def reused_outputs(layers: SymbolLayers) -> list[str]:
    """Return the convolutions of a network, before it is fused, whose output, or that of an operator to be fused with
    them, is an addend of a sum that depends on the next operator to be fused as well.

    To break the cycle, MXNet takes the sum out of its search, and does not see that it uses what lies inside of the
    subgraph (`LabelSubgraph` in src/operator/subgraph/build_subgraph.cc).
    """
    users: dict[str, list[str]] = {name: [] for name in layers}
    for name, layer in layers.items():
        for source in layer.inputs:
            users.get(source, []).append(name)
    return [name for name, layer in layers.items() if layer.op == "Convolution" and _is_reused(name, layers, users)]


def expanded_reshapes(layers: SymbolLayers) -> list[str]:
    """Return the reshapes of arrays that had an axis added just before."""
    expanded = {name for name, layer in layers.items() if layer.op == "expand_dims"}
    return [name for name, layer in layers.items() if layer.op == "Reshape" and expanded & set(layer.inputs)]


# By the name of a defect of several layers together, which layers of a network before it is fused have it.
IN_NETWORKS: Mapping[str, Callable[[SymbolLayers], list[str]]] = {
    REUSED: reused_outputs,
    EXPANDED: expanded_reshapes,
}


def _is_reused(name: str, layers: SymbolLayers, users: Mapping[str, Sequence[str]]) -> bool:
    following = [user for user in users[name] if layers[user].op in FOLLOWING]
    sums = {user for user in users[name] if layers[user].op == SUM}
    return any(sums & _descendants(user, users) or _is_reused(user, layers, users) for user in following)


def _descendants(name: str, users: Mapping[str, Sequence[str]]) -> set[str]:
    """Return the nodes that depend on a node."""
    descendants: set[str] = set()
    waiting = [name]
    while waiting:
        new = set(users[waiting.pop()]) - descendants
        descendants |= new
        waiting += new
    return descendants


def defects_text(layers: Iterable[Iterable[str]]) -> str:
    """Return each defect of some layers, with the number of its layers and the release that fixes it."""
    names = [name for defects in layers for name in defects]
    return "; ".join(
        f"known defect {name} in {counted(names.count(name), 'layer')}{_fix(name)}" for name in dict.fromkeys(names)
    )


def case_of(
    layer: Layer, parameters: Mapping[str, ArrayShape], outputs: Mapping[str, ArrayShape], *, last: bool
) -> OperatorCase | None:
    """Return a layer as a case of the operator checks; None if these have no such case, as for other dimensions.

    `last`: whether the layer is the network's last operator.
    """
    shape = tuple(outputs.get(layer.inputs[0], (0, *UNKNOWN))) if layer.inputs else ()
    if len(shape) != 4:  # noqa: PLR2004 - images, channels, height and width
        return None
    _, channels, *sides = shape
    image: Pair = (sides[0], sides[1])
    if layer.kind == "convolution" or "Convolution" in {layer.op, *layer.inside}:
        return _convolution(layer, parameters[layer.parameters[0]], image)
    if layer.kind == "pooling":
        return Pooling(
            batch=1,
            channels=channels,
            size=image,
            pool="avg" if layer.attributes.get("pool_type") == "avg" else "max",
            kernel=layer.pair("kernel", 1),
            stride=layer.pair("stride", 1),
            pad=layer.pair("pad", 0),
            full=layer.attributes.get("pooling_convention") == "full",
            whole=layer.flag("global_pool"),
            count_pad=layer.attributes.get("count_include_pad", "True") in {"True", "1"},
            last=last,
        )
    return None


def _convolution(layer: Layer, weight: ArrayShape, size: Pair) -> Convolution | None:
    if len(weight) != 4:  # noqa: PLR2004 - filters, channels, height, width
        return None
    groups = layer.number("num_group", 1)
    filters, channels, *_ = weight
    kind = Residual if layer.summed else Convolution
    return kind(
        batch=1,
        channels=channels * groups,
        size=size,
        filters=filters,
        kernel=layer.pair("kernel", 1),
        stride=layer.pair("stride", 1),
        pad=layer.pair("pad", 0),
        dilate=layer.pair("dilate", 1),
        groups=groups,
        bias=layer.biased,
        relu=layer.rectified,
    )


def depends_on_cpu(name: str) -> bool:
    """Return whether it depends on the CPU if a wheel has a defect."""
    defect = all_defects()[name]
    return bool(defect.with_isa or defect.without_isa)


def _fix(name: str) -> str:
    """Return the release that fixes a defect, in parentheses; "" if none is known."""
    release = all_defects()[name].right
    return f" (fixed in {release})" if release else ""
