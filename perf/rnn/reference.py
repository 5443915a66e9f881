"""Recurrent networks written from their equations in plain numpy: what MXNet's fused operator must compute.

Parameters come as one vector, laid out as MXNet's RNN operator has it: for each layer and direction the weights of the
input (gates * hidden, input) and of the state (gates * hidden, hidden), then in the same order the two biases (gates *
hidden) of each. Gates are ordered input, forget, cell, output in an LSTM and reset, update, new in a GRU (MXNet 1.5,
src/operator/rnn-inl.h and python/mxnet/gluon/rnn/rnn_cell.py).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}


@dataclass(frozen=True)
class Sizes:
    """Of a network: `directions` is 2 when it is bidirectional."""

    cell: str
    inputs: int
    hidden: int
    layers: int
    directions: int = 1

    def layer_inputs(self, layer: int) -> int:
        """How wide the input of a layer is: the layers above the first see both directions' hidden states."""
        return self.inputs if layer == 0 else self.hidden * self.directions

    @property
    def parameters(self) -> int:
        """The length of the parameter vector."""
        rows = GATES[self.cell] * self.hidden
        widths = [self.layer_inputs(layer) + self.hidden + 2 for layer in range(self.layers)]
        return self.directions * rows * sum(widths)

    def flops(self, batch: int, steps: int) -> int:
        """Floating-point operations of a pass: 2 for each multiply-add of the matrix products, nothing for the gates'
        element-wise work: 2 * steps * batch * directions * gates * hidden * (input + hidden), summed over layers.
        """
        rows = GATES[self.cell] * self.hidden
        widths = sum(self.layer_inputs(layer) + self.hidden for layer in range(self.layers))
        return 2 * steps * batch * self.directions * rows * widths


def run(sizes: Sizes, data: Array, parameters: Array, states: dict[str, Array]) -> Array:
    """The outputs (steps, batch, directions * hidden) for `data` (steps, batch, inputs) and the initial `states`, each
    (layers * directions, batch, hidden).
    """
    weights = list(_weights(sizes, np.asarray(parameters, np.float64)))
    outputs = np.asarray(data, np.float64)
    for layer in range(sizes.layers):
        ways = []
        for direction in range(sizes.directions):
            index = layer * sizes.directions + direction
            initial = {name: np.asarray(state[index], np.float64) for name, state in states.items()}
            steps = outputs[::-1] if direction else outputs
            way = _scan(sizes.cell, steps, weights[index], initial)
            ways.append(way[::-1] if direction else way)
        outputs = np.concatenate(ways, axis=2)
    return outputs


@dataclass(frozen=True)
class _Weights:
    of_input: Array
    of_state: Array
    input_bias: Array
    state_bias: Array


def _weights(sizes: Sizes, parameters: Array) -> Iterator[_Weights]:
    """The weights of each layer and direction, in order, cut from the parameter vector."""
    rows = GATES[sizes.cell] * sizes.hidden
    places = [(layer, direction) for layer in range(sizes.layers) for direction in range(sizes.directions)]
    position = 0

    def cut(*shape: int) -> Array:
        nonlocal position
        size = int(np.prod(shape))
        position += size
        return parameters[position - size : position].reshape(shape)

    matrices = [(cut(rows, sizes.layer_inputs(layer)), cut(rows, sizes.hidden)) for layer, _ in places]
    for of_input, of_state in matrices:
        yield _Weights(of_input, of_state, cut(rows), cut(rows))


def _scan(cell: str, steps: Array, weights: _Weights, states: dict[str, Array]) -> Array:
    """The hidden state after each step (steps, batch, hidden)."""
    hidden, memory = states["state"], states.get("state_cell")
    # All steps' input products at once; the state's must wait for one another.
    from_input = steps @ weights.of_input.T + weights.input_bias
    outputs = np.empty((*steps.shape[:2], hidden.shape[1]))
    for step, given in enumerate(from_input):
        kept = hidden @ weights.of_state.T + weights.state_bias
        if cell == "lstm":
            gates = np.split(given + kept, 4, axis=1)
            incoming, forget, new, outgoing = _sigmoid(gates[0]), _sigmoid(gates[1]), np.tanh(gates[2]), gates[3]
            memory = forget * memory + incoming * new
            hidden = _sigmoid(outgoing) * np.tanh(memory)
        elif cell == "gru":
            given_parts, kept_parts = np.split(given, 3, axis=1), np.split(kept, 3, axis=1)
            reset, update = (_sigmoid(a + b) for a, b in zip(given_parts[:2], kept_parts[:2], strict=True))
            hidden = (1 - update) * np.tanh(given_parts[2] + reset * kept_parts[2]) + update * hidden
        else:
            hidden = _ACTIVATIONS[cell](given + kept)
        outputs[step] = hidden
    return outputs


def _sigmoid(values: Array) -> Array:
    return 1 / (1 + np.exp(-values))


_ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "rnn_tanh": np.tanh,
    "rnn_relu": lambda values: np.maximum(values, 0.0),
}
