"""MXNet's fused operator: how it is written, and what is read back from it."""

from perf.measure.plan import Operator
from perf.rnn.reference import Sizes


def operator_of(sizes: Sizes) -> Operator:
    """MXNet's fused operator for a network."""
    attributes: dict[str, str | int | float | bool] = {
        "mode": sizes.mode,
        "state_size": sizes.hidden,
        "num_layers": sizes.layers,
        "bidirectional": sizes.directions == 2,  # noqa: PLR2004 - both ways
        "state_outputs": True,
    }
    return Operator("RNN", attributes, ("data", "parameters", *sizes.states))


def sizes_of(operator: Operator, inputs: int) -> Sizes:
    """The sizes of a network, from its operator and the width of its input."""
    attributes = operator.attributes
    return Sizes(
        str(attributes["mode"]),
        inputs,
        int(attributes["state_size"]),
        int(attributes["num_layers"]),
        2 if attributes["bidirectional"] else 1,
    )
