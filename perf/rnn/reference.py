"""Recurrent networks from their equations in plain numpy: what MXNet's fused operator must compute.

Parameters are one vector in the layout of MXNet's RNN operator. First come the weights of each layer and direction:
those of the input (gates * hidden, input), then those of the state (gates * hidden, hidden). In the same order follow
the two biases (gates * hidden) of each. The gates of an LSTM are input, forget, cell, output, in this order; those of a
GRU are reset, update, new (MXNet 1.5, src/operator/rnn-inl.h and python/mxnet/gluon/rnn/rnn_cell.py).
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[np.floating]
# How many gates a cell has, by mode.
GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}


@dataclass(frozen=True)
class Sizes:
    """The sizes of a network.

    `mode`: MXNet's name of the cell. `inputs`: width of the input. `hidden`: width of the hidden state. `layers`: how
    many there are. `directions`: 2 if the network reads sequences both ways.
    """

    mode: str
    inputs: int
    hidden: int
    layers: int
    directions: int = 1

    @property
    def states(self) -> tuple[str, ...]:
        """The names of the initial states in the operator."""
        return ("state", "state_cell") if self.mode == "lstm" else ("state",)

    @property
    def parameters(self) -> int:
        """The length of the parameter vector."""
        rows = GATES[self.mode] * self.hidden
        widths = [self.layer_inputs(layer) + self.hidden + 2 for layer in range(self.layers)]
        return self.directions * rows * sum(widths)

    def layer_inputs(self, layer: int) -> int:
        """Return the width of a layer's input. Layers above the first get the hidden states of both directions."""
        return self.inputs if layer == 0 else self.hidden * self.directions

    @property
    def scales(self) -> dict[str, float]:
        """Factors of random parameters, so that values neither vanish nor grow over steps and layers."""
        return {"parameters": 1 / math.sqrt(self.hidden)}

    def shapes(self, batch: int, steps: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the operator's inputs by name, in its order and in layout TNC."""
        states = dict.fromkeys(self.states, (self.layers * self.directions, batch, self.hidden))
        return {"data": (steps, batch, self.inputs), "parameters": (self.parameters,), **states}

    def values_held(self, batch: int, steps: int) -> int:
        """Return about how many values `run` holds at one time at most.

        These are the parameters, and, of the layer with the widest input, that input, its products for all steps before
        and after the bias is added, and the outputs.
        """
        layer = max(map(self.layer_inputs, range(self.layers)))
        products = GATES[self.mode] * self.hidden
        return self.parameters + steps * batch * (layer + 2 * products + self.directions * self.hidden)

    def flops(self, batch: int, steps: int) -> int:
        """Return the floating-point operations of a pass: 2 for each multiply-add of the matrix products.

        They are 2 * steps * batch * directions * gates * hidden * (input + hidden), summed over layers. Element-wise
        work is not counted.
        """
        rows = GATES[self.mode] * self.hidden
        widths = sum(self.layer_inputs(layer) + self.hidden for layer in range(self.layers))
        return 2 * steps * batch * self.directions * rows * widths


def run(
    sizes: Sizes, data: Array, parameters: Array, states: Mapping[str, Array], precision: DTypeLike = np.float64
) -> list[Array]:
    """Return the operator's outputs, computed in `precision`.

    `data` has shape (steps, batch, inputs). The initial `states`, by name, have shape (layers * directions, batch,
    hidden). The outputs are the hidden states of the last layer (steps, batch, directions * hidden), then the final
    states of all layers in the shape and order of the initial ones.
    """
    weights = list(_weights(sizes, np.asarray(parameters, precision)))
    outputs = np.asarray(data, precision)
    finals = []
    for layer in range(sizes.layers):
        by_direction = []
        for direction in range(sizes.directions):
            index = layer * sizes.directions + direction
            initial = [np.asarray(states[name][index], precision) for name in sizes.states]
            steps = outputs[::-1] if direction else outputs
            hidden, final = _scan(sizes.mode, steps, weights[index], initial)
            by_direction.append(hidden[::-1] if direction else hidden)
            finals.append(final)
        outputs = np.concatenate(by_direction, axis=2)
    return [outputs, *(np.stack(state) for state in zip(*finals, strict=True))]


@dataclass(frozen=True)
class _Weights:
    of_input: Array
    of_state: Array
    input_bias: Array
    state_bias: Array


def _weights(sizes: Sizes, parameters: Array) -> Iterator[_Weights]:
    """Yield the weights of each layer and direction, in order, from the parameter vector."""
    rows = GATES[sizes.mode] * sizes.hidden
    position = 0

    def cut(*shape: int) -> Array:
        nonlocal position
        size = int(np.prod(shape))
        position += size
        return parameters[position - size : position].reshape(shape)

    widths = [sizes.layer_inputs(layer) for layer in range(sizes.layers) for _ in range(sizes.directions)]
    matrices = [(cut(rows, width), cut(rows, sizes.hidden)) for width in widths]
    for of_input, of_state in matrices:
        yield _Weights(of_input, of_state, cut(rows), cut(rows))


def _scan(mode: str, steps: Array, weights: _Weights, states: list[Array]) -> tuple[Array, list[Array]]:
    """Return the hidden states after each step (steps, batch, hidden), and all states after the last step."""
    # The products with the input are computed for all steps at once. Those with the state depend on the step before.
    from_input = steps @ weights.of_input.T + weights.input_bias
    outputs = []
    for input_part in from_input:
        state_part = states[0] @ weights.of_state.T + weights.state_bias
        states = _STEPS[mode](input_part, state_part, states)
        outputs.append(states[0])
    return np.stack(outputs), states


def _lstm(input_part: Array, state_part: Array, states: list[Array]) -> list[Array]:
    input_gate, forget_gate, cell_gate, output_gate = np.split(input_part + state_part, 4, axis=1)
    cell = _sigmoid(forget_gate) * states[1] + _sigmoid(input_gate) * np.tanh(cell_gate)
    return [_sigmoid(output_gate) * np.tanh(cell), cell]


def _gru(input_part: Array, state_part: Array, states: list[Array]) -> list[Array]:
    input_reset, input_update, input_new = np.split(input_part, 3, axis=1)
    state_reset, state_update, state_new = np.split(state_part, 3, axis=1)
    update = _sigmoid(input_update + state_update)
    new = np.tanh(input_new + _sigmoid(input_reset + state_reset) * state_new)
    return [(1 - update) * new + update * states[0]]


def _sigmoid(values: Array) -> Array:
    return 1 / (1 + np.exp(-values))


# One step of a cell, by mode: from the products with input and state, and the states before, to the states after.
_STEPS: dict[str, Callable[[Array, Array, list[Array]], list[Array]]] = {
    "lstm": _lstm,
    "gru": _gru,
    "rnn_tanh": lambda input_part, state_part, _: [np.tanh(input_part + state_part)],
    "rnn_relu": lambda input_part, state_part, _: [np.maximum(input_part + state_part, 0.0)],
}
