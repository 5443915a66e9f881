"""Recurrent networks written from their equations in plain numpy: what MXNet's fused operator must compute.

Parameters come as one vector, laid out as MXNet's RNN operator has it: for each layer and direction the weights of the
input (gates * hidden, input) and of the state (gates * hidden, hidden), then in the same order the two biases (gates *
hidden) of each. Gates are ordered input, forget, cell, output in an LSTM and reset, update, new in a GRU (MXNet 1.5,
src/operator/rnn-inl.h and python/mxnet/gluon/rnn/rnn_cell.py).
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[np.floating]
GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}


@dataclass(frozen=True)
class Sizes:
    """Of a network: MXNet's name of its cell (`mode`), and `directions`, 2 when it reads the sequence both ways."""

    mode: str
    inputs: int
    hidden: int
    layers: int
    directions: int = 1

    @property
    def states(self) -> tuple[str, ...]:
        """The operator's names of the initial states."""
        return ("state", "state_cell") if self.mode == "lstm" else ("state",)

    @property
    def parameters(self) -> int:
        """The length of the parameter vector."""
        rows = GATES[self.mode] * self.hidden
        widths = [self.layer_inputs(layer) + self.hidden + 2 for layer in range(self.layers)]
        return self.directions * rows * sum(widths)

    def layer_inputs(self, layer: int) -> int:
        """How wide the input of a layer is: the layers above the first see both directions' hidden states."""
        return self.inputs if layer == 0 else self.hidden * self.directions

    @property
    def scales(self) -> dict[str, float]:
        """By which random parameters are multiplied, so that values neither die out nor grow over steps and layers."""
        return {"parameters": 1 / math.sqrt(self.hidden)}

    def shapes(self, batch: int, steps: int) -> dict[str, tuple[int, ...]]:
        """Of the operator's inputs by name, in its order and in layout TNC."""
        states = dict.fromkeys(self.states, (self.layers * self.directions, batch, self.hidden))
        return {"data": (steps, batch, self.inputs), "parameters": (self.parameters,), **states}

    def kept_values(self, batch: int, steps: int) -> int:
        """How many values `run` holds at one time at most, about: the parameters, and of the layer with the widest
        input that input, all steps' products with it before and after the bias is added, and the outputs.
        """
        layer = max(map(self.layer_inputs, range(self.layers)))
        products = GATES[self.mode] * self.hidden
        return self.parameters + steps * batch * (layer + 2 * products + self.directions * self.hidden)

    def flops(self, batch: int, steps: int) -> int:
        """Floating-point operations of a pass: 2 for each multiply-add of the matrix products, nothing for the gates'
        element-wise work: 2 * steps * batch * directions * gates * hidden * (input + hidden), summed over layers.
        """
        rows = GATES[self.mode] * self.hidden
        widths = sum(self.layer_inputs(layer) + self.hidden for layer in range(self.layers))
        return 2 * steps * batch * self.directions * rows * widths


def run(
    sizes: Sizes, data: Array, parameters: Array, states: Mapping[str, Array], precision: DTypeLike = np.float64
) -> list[Array]:
    """The operator's outputs for `data` (steps, batch, inputs) and the initial `states` by name, each (layers *
    directions, batch, hidden): the hidden states of the last layer (steps, batch, directions * hidden), and the final
    states of all layers in the shape and order of the initial ones. All of it is computed in `precision`.
    """
    weights = list(_weights(sizes, np.asarray(parameters, precision)))
    outputs = np.asarray(data, precision)
    finals = []
    for layer in range(sizes.layers):
        ways = []
        for direction in range(sizes.directions):
            index = layer * sizes.directions + direction
            initial = [np.asarray(states[name][index], precision) for name in sizes.states]
            steps = outputs[::-1] if direction else outputs
            way, final = _scan(sizes.mode, steps, weights[index], initial)
            ways.append(way[::-1] if direction else way)
            finals.append(final)
        outputs = np.concatenate(ways, axis=2)
    return [outputs, *(np.stack(state) for state in zip(*finals, strict=True))]


@dataclass(frozen=True)
class _Weights:
    of_input: Array
    of_state: Array
    input_bias: Array
    state_bias: Array


def _weights(sizes: Sizes, parameters: Array) -> Iterator[_Weights]:
    """The weights of each layer and direction, in order, cut from the parameter vector."""
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
    """The hidden state after each step (steps, batch, hidden), and the states after the last one."""
    # All steps' input products at once; the state's must wait for one another.
    from_input = steps @ weights.of_input.T + weights.input_bias
    outputs = []
    for given in from_input:
        kept = states[0] @ weights.of_state.T + weights.state_bias
        states = _STEPS[mode](given, kept, states)
        outputs.append(states[0])
    return np.stack(outputs), states


def _lstm(given: Array, kept: Array, states: list[Array]) -> list[Array]:
    incoming, forget, new, outgoing = np.split(given + kept, 4, axis=1)
    memory = _sigmoid(forget) * states[1] + _sigmoid(incoming) * np.tanh(new)
    return [_sigmoid(outgoing) * np.tanh(memory), memory]


def _gru(given: Array, kept: Array, states: list[Array]) -> list[Array]:
    (reset, update, new), (kept_reset, kept_update, kept_new) = np.split(given, 3, axis=1), np.split(kept, 3, axis=1)
    remembered = _sigmoid(update + kept_update)
    candidate = np.tanh(new + _sigmoid(reset + kept_reset) * kept_new)
    return [(1 - remembered) * candidate + remembered * states[0]]


def _sigmoid(values: Array) -> Array:
    return 1 / (1 + np.exp(-values))


_STEPS: dict[str, Callable[[Array, Array, list[Array]], list[Array]]] = {
    "lstm": _lstm,
    "gru": _gru,
    "rnn_tanh": lambda given, kept, _: [np.tanh(given + kept)],
    "rnn_relu": lambda given, kept, _: [np.maximum(given + kept, 0.0)],
}
