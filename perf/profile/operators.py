"""How operators that fusion and quantisation made are called. Pure."""

from perf.measure.workers.replies import GraphNode

# The names of operators in a kind such as "conv+bn+relu". All other operators keep MXNet's name.
SHORT_NAMES = {
    "Convolution": "conv",
    "FullyConnected": "fc",
    "BatchNorm": "bn",
    "Activation": "relu",
    "clip": "relu6",
    "elemwise_add": "sum",
    "broadcast_add": "sum",
}
QUANTISED = "_contrib_quantized_"
# The beginning of the name of a quantised operator; what follows is the original's.
QUANTISED_NAME = "quantized_"


def kind_of(node: GraphNode) -> str:
    """Return the kind of a layer.

    It is "conv+bn+relu" for a subgraph, "int8 conv+bn+relu" for a quantised subgraph, "int8 pooling" for a quantised
    operator, and "unfused bn" for any other.
    """
    if node.inside:
        kind = "+".join(SHORT_NAMES.get(op, op) for op, _ in node.inside)
        return f"int8 {kind}" if node.quantized else kind
    if node.quantized:
        return f"int8 {node.op.removeprefix(QUANTISED)}"
    return f"unfused {SHORT_NAMES.get(node.op, node.op)}"


def layer_name(node: GraphNode) -> str:
    """Return the operator, before fusion and quantisation, whose output this node computes."""
    return node.inside[-1][1] if node.inside else node.name.removeprefix(QUANTISED_NAME)
