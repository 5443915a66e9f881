"""MXNet's fused operator: how it is written, and what is read back from it."""

from perf.measure.plan import Operator, Variant
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


def operator_run(variant: Variant) -> Operator:
    """The variant's operator. TypeError when it runs something else."""
    if not isinstance(variant.program, Operator):
        raise TypeError(f"{variant.name} runs {variant.program.label}, not an operator")
    return variant.program


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
