"""The numpy reference agrees with values that are computed by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.rnn.reference import GATES, Sizes, run
from perf.rnn.shapes import catalogue

ONE = {"data": np.ones((1, 1, 1))}
NETWORKS = st.builds(
    Sizes,
    mode=st.sampled_from(sorted(GATES)),
    inputs=st.integers(1, 4),
    hidden=st.integers(1, 4),
    layers=st.integers(1, 3),
    directions=st.integers(1, 2),
)


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def scalar(mode: str, parameters: list[float], *states: float) -> list[float]:
    """Run one step of a network of one unit on an input of 1, and return its output and final states."""
    sizes = Sizes(mode, 1, 1, 1)
    initial = {name: np.full((1, 1, 1), value) for name, value in zip(sizes.states, states, strict=True)}
    return [float(output.item()) for output in run(sizes, np.ones((1, 1, 1)), np.array(parameters), initial)]


def test_a_relu_unit() -> None:
    # 2 * 1 + 3 * 0.5 + 0.25 + 0.125
    assert scalar("rnn_relu", [2, 3, 0.25, 0.125], 0.5) == [3.875, 3.875]
    assert scalar("rnn_relu", [-2, 3, 0, 0], 0.5) == [0, 0]


def test_a_tanh_unit() -> None:
    output, final = scalar("rnn_tanh", [2, 3, 0.25, 0.125], 0.5)
    assert output == final == pytest.approx(math.tanh(3.875))


def test_an_lstm_unit_orders_its_gates_input_forget_cell_output() -> None:
    output, hidden, memory = scalar("lstm", [1, 2, 3, 4, *[0] * 4, *[0] * 8], 0.5, 0.75)
    cell = sigmoid(2) * 0.75 + sigmoid(1) * math.tanh(3)
    assert memory == pytest.approx(cell)
    assert output == hidden == pytest.approx(sigmoid(4) * math.tanh(cell))


def test_a_gru_unit_resets_the_state_with_its_bias() -> None:
    # The new gate gets 3 * 1 from the input and 5 * 0.5 + 0.25 from the state.
    output, final = scalar("gru", [1, 2, 3, 0, 0, 5, 0, 0, 0, 0, 0, 0.25], 0.5)
    new = math.tanh(3 + sigmoid(1) * 2.75)
    assert output == final == pytest.approx((1 - sigmoid(2)) * new + sigmoid(2) * 0.5)


@given(NETWORKS, st.integers(1, 3), st.integers(1, 4), st.integers(0, 2**31))
def test_shapes_of_outputs_and_final_states(sizes: Sizes, batch: int, steps: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    shape = (sizes.layers * sizes.directions, batch, sizes.hidden)
    states = {name: draw.standard_normal(shape) for name in sizes.states}
    data, parameters = draw.standard_normal((steps, batch, sizes.inputs)), draw.standard_normal(sizes.parameters)
    outputs, *finals = run(sizes, data, parameters, states)
    assert outputs.shape == (steps, batch, sizes.directions * sizes.hidden)
    assert [final.shape for final in finals] == [shape] * len(sizes.states)
    # The final state of the last layer is its output at the last step, or at the first step in the reverse direction.
    by_direction = np.split(outputs, sizes.directions, axis=2)
    last = [by_direction[0][-1], *(reverse[0] for reverse in by_direction[1:])]
    assert np.array_equal(finals[0][-sizes.directions :], np.stack(last))


@given(NETWORKS, st.integers(0, 2**31))
def test_a_sample_does_not_depend_on_the_rest_of_its_batch(sizes: Sizes, seed: int) -> None:
    draw = np.random.default_rng(seed)
    data, parameters = draw.standard_normal((3, 2, sizes.inputs)), draw.standard_normal(sizes.parameters)
    states = {n: draw.standard_normal((sizes.layers * sizes.directions, 2, sizes.hidden)) for n in sizes.states}
    together = run(sizes, data, parameters, states)[0]
    alone = run(sizes, data[:, :1], parameters, {name: state[:, :1] for name, state in states.items()})[0]
    assert together[:, :1] == pytest.approx(alone, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("sizes", "parameters", "flops"),
    [
        # 2 * T * N * 4H * (C + H) for one layer: 2 * 50 * 1 * 2048 * 1024.
        (Sizes("lstm", 512, 512, 1), 4 * 512 * (512 + 512 + 2), 209_715_200),
        (Sizes("rnn_tanh", 512, 512, 4), 4 * 512 * (512 + 512 + 2), 209_715_200),
        # Both directions; the second layer reads 2 * 3 values.
        (Sizes("gru", 2, 3, 2, 2), 2 * 9 * ((2 + 3 + 2) + (6 + 3 + 2)), 50 * 2 * 2 * 9 * ((2 + 3) + (6 + 3))),
    ],
)
def test_parameters_and_operations(sizes: Sizes, parameters: int, flops: int) -> None:
    assert sizes.parameters == parameters
    assert sizes.flops(batch=1, steps=50) == flops


def test_every_cell_of_the_catalogue_has_equations() -> None:
    assert {cell.mode for cell in catalogue().cells.values()} == set(GATES)
    assert {cell.directions for cell in catalogue().cells.values()} == {1, 2}
