"""Which layers of a network the known defects of the wheels cover. Pure."""

from collections.abc import Iterable, Mapping

from perf.builds import BuildFacts
from perf.cnn.checks.symbol import Layer, Layers, Shape
from perf.cnn.operators.base import OperatorCase, Pair
from perf.cnn.operators.kinds import Convolution, Pooling, Residual
from perf.cnn.operators.regions import CHECK, met
from perf.defects import defects_of

# What the defects of several layers together, which no single operator shows, have in `check`.
NETWORKS = "networks"
CONCAT = "int8-concat-of-types"
# The size of an image that is not known: larger than any kernel.
UNKNOWN = (1 << 16, 1 << 16)


def defects_met(
    layers: Layers,
    variant: str,
    facts: BuildFacts,
    parameters: Mapping[str, Shape],
    data: Mapping[str, Shape] | None = None,
) -> dict[str, list[str]]:
    """The known defects of an installation that each layer of a variant meets, by the node's name: of those that meet
    any. `parameters` are shapes by name, `data` those of nodes' outputs, where they are known.
    """
    met_by = {}
    for name, layer in layers.items():
        case = case_of(layer, parameters, data or {}, last=name in layers.heads)
        ranges = [layers.range_of(source) for source in layer.data]
        signs = {f"data{place}": range_ is None or range_.signed for place, range_ in enumerate(ranges)}
        names = met(case, variant, signs, facts) if case else []
        if layer.kind == "concat" and len({range_.signed for range_ in ranges if range_}) > 1:
            names += [CONCAT] if defects_of(NETWORKS)[CONCAT].is_in(facts) else []
        if names:
            met_by[name] = names
    return met_by


def counted(names: Iterable[Iterable[str]]) -> str:
    """The defects that layers meet, each with the number of its layers and the release that has it right."""
    met_by = [name for layer in names for name in layer]
    return "; ".join(
        f"known defect {name} in {_layers(met_by.count(name))}{_right(name)}" for name in dict.fromkeys(met_by)
    )


def case_of(
    layer: Layer, parameters: Mapping[str, Shape], data: Mapping[str, Shape], *, last: bool
) -> OperatorCase | None:
    """A layer as a single operator; None for what the checks of operators do not know, such as other dimensions."""
    size = tuple(data.get(layer.inputs[0], (0, 0, *UNKNOWN))[2:]) if layer.inputs else ()
    if len(size) != 2:  # noqa: PLR2004 - height and width
        return None
    image: Pair = size
    if layer.kind == "convolution" or "Convolution" in {layer.op, *layer.inside}:
        return _convolution(layer, parameters[layer.parameters[0]], image)
    if layer.kind == "pooling":
        return Pooling(
            batch=1,
            channels=1,
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


def _convolution(layer: Layer, weight: Shape, size: Pair) -> Convolution | None:
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


def _layers(count: int) -> str:
    return f"{count} layer{'s' * (count > 1)}"


def _right(name: str) -> str:
    right = {**defects_of(CHECK), **defects_of(NETWORKS)}[name].right
    return f" ({right} has it right)" if right else ""
