"""Floors without stored answers: layers rounded to their steps are above them, layers with a defect below."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from perf.cnn.checks.defects import layer_defects
from perf.cnn.checks.drift import between_images_db, energy, ratio_db, sqnr_db
from perf.cnn.checks.floors import OUTPUTS_MARGIN_DB, LayerLoss, expected_outputs_db, judge_by_floors, why_unknown_steps
from perf.cnn.checks.noise import expected_noise, folded_weight, window_energies
from perf.cnn.checks.symbol import CalibratedRange, SymbolLayers
from perf.cnn.operators.kinds import Convolution
from perf.cnn.operators.reference import weighted_sums
from tests.support.fakes import cpu_with, facts

MKL = facts(distribution="mxnet-mkl", mkldnn=True)
OUT = {"max_calib_range": "3.000000", "min_calib_range": "-2.000000"}


def variable(name: str) -> dict[str, Any]:
    return {"op": "null", "name": name, "inputs": []}


def convolution_symbol(case: Convolution, *, norm: bool = False, data: str = "-1.000000") -> dict[str, Any]:
    """Return the quantised symbol of one convolution, as MXNet 1.5 writes it; `data` is its lowest input."""
    names = ["weight", *(["bias"] if case.bias else []), *(["gamma", "beta", "mean", "var"] if norm else [])]
    attributes = {
        "kernel": str(case.kernel),
        "stride": str(case.stride),
        "pad": str(case.pad),
        "dilate": str(case.dilate),
        "num_filter": str(case.filters),
        "num_group": str(case.groups),
        "no_bias": str(not case.bias),
    }
    inner: list[dict[str, Any]] = [{"op": "Convolution", "name": "conv", "attrs": attributes}]
    inner += [{"op": "BatchNorm", "name": "bn", "attrs": {"eps": "0.5", "fix_gamma": "False"}}] if norm else []
    inner += [{"op": "Activation", "name": "relu", "attrs": {"act_type": "relu"}}] if case.relu else []
    quantise: dict[str, Any] = {"op": "_contrib_quantize_v2", "name": "q", "inputs": [[0, 0, 0]]}
    quantise["attrs"] = {"min_calib_range": data, "max_calib_range": "1.000000", "out_type": "auto"}
    own = {**OUT, **({"min_calib_range": "0.000000"} if case.relu else {}), "quantized": "true"}
    fused: dict[str, Any] = {"op": "_sg_mkldnn_conv", "name": "sg", "attrs": own, "subgraphs": [{"nodes": inner}]}
    places = range(1, len(names) + 1)
    q = len(names) + 1
    fused["inputs"] = [[q, 0, 0], *([place, 0, 0] for place in places), [q, 1, 0], [q, 2, 0]]
    return {"nodes": [variable("data"), *map(variable, names), quantise, fused], "heads": [[q + 1, 0, 0]]}


def convolution(**changes: Any) -> Convolution:
    fields = {"batch": 2, "channels": 4, "size": (5, 6), "filters": 8, "kernel": (3, 3), "bias": False}
    return Convolution(**{**fields, **changes})


def rounded(values: Any, own: CalibratedRange) -> Any:
    lowest = -128 * own.step if own.signed else 0.0
    if not own.step:  # all outputs are zero: the ReLU cut every one
        return np.zeros_like(values)
    return np.clip(np.round(values / own.step) * own.step, lowest, own.largest)


CONVOLUTIONS = st.builds(
    lambda groups, channels, filters, **fields: convolution(
        groups=groups, channels=groups * channels, filters=groups * filters, **fields
    ),
    groups=st.sampled_from([1, 2, 4]),
    channels=st.integers(1, 6),
    filters=st.integers(2, 9),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 2), st.integers(1, 3)),
    pad=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    dilate=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    relu=st.booleans(),
    seed=st.integers(0, 1 << 16),
    signed=st.booleans(),
)


def exact_and_int8(case: Convolution) -> tuple[Any, Any, Any, CalibratedRange]:
    """Return data, the exact output, the output with rounded weights in the output's steps, and the output's range."""
    draw = np.random.default_rng(case.seed)
    data = draw.standard_normal(case.data_shapes["data0"])
    data = data if case.signed else np.abs(data)
    weight = case.parameters()["weight"].astype(np.float64)
    steps = np.abs(weight).max(axis=(1, 2, 3), keepdims=True) / 127
    floor = 0.0 if case.relu else -np.inf
    exact = np.maximum(weighted_sums(case, data, weight), floor)
    own = CalibratedRange(
        0.0 if case.relu else -float(np.abs(exact).max()), float(np.abs(exact).max()), signed=not case.relu
    )
    return (
        data,
        exact,
        rounded(np.maximum(weighted_sums(case, data, np.round(weight / steps) * steps), floor), own),
        own,
    )


def loss_of(case: Convolution, data: Any, exact: Any, int8: Any, own: CalibratedRange) -> LayerLoss:
    layer = SymbolLayers(convolution_symbol(case))["sg"]
    parameters = {"weight": case.parameters()["weight"]}
    noise = expected_noise(layer, [CalibratedRange(-1, 1, signed=True)], own, [data], parameters, exact)
    assert noise is not None
    return LayerLoss("sg", sqnr_db(exact, int8), ratio_db(energy(exact), noise))


@settings(deadline=None)
@given(case=CONVOLUTIONS)
def test_a_convolution_rounded_to_its_steps_is_right(case: Convolution) -> None:
    if min(case.output_size) < 1:
        return
    data, exact, int8, own = exact_and_int8(case)
    if exact.any():
        loss = loss_of(case, data, exact, int8, own)
        assert not loss.wrong, loss


@settings(deadline=None)
@given(case=CONVOLUTIONS, factor=st.sampled_from([0.0, 0.5, 0.8, 1.2]))
def test_a_convolution_with_a_wrongly_scaled_filter_is_wrong(case: Convolution, factor: float) -> None:
    """The filter with the largest outputs is scaled: one whose outputs are zero would be right at any scale.

    Rarely, all outputs are so small that the steps alone may cause as much noise.
    """
    if min(case.output_size) < 1:
        return
    data, exact, int8, own = exact_and_int8(case)
    energies = np.square(exact).sum(axis=(0, 2, 3))
    if not energies.any():
        return
    largest = int(energies.argmax())
    int8[:, largest] *= factor
    loss = loss_of(case, data, exact, int8, own)
    assert loss.floor_db is not None
    assume(loss.floor_db > ratio_db(float(energies.sum()), (1 - factor) ** 2 * float(energies[largest])) + 1)
    assert loss.wrong


@settings(deadline=None)
@given(case=CONVOLUTIONS)
def test_windows_are_the_same_as_in_the_convolution(case: Convolution) -> None:
    if min(case.output_size) < 1:
        return
    data = case.data()["data0"]
    ones = np.ones(case.parameter_shapes["weight"])
    sums = weighted_sums(case, np.square(data, dtype=np.float64), ones).sum(axis=(0, 2, 3))
    layer = SymbolLayers(convolution_symbol(case))["sg"]
    expected = sums.reshape(case.groups, -1)[:, 0]
    assert window_energies(layer, data, case.output_size) == pytest.approx(expected)


def test_batch_norm_is_folded_into_the_weight() -> None:
    layer = SymbolLayers(convolution_symbol(convolution(), norm=True))["sg"]
    parameters = {"weight": np.ones((8, 4, 3, 3)), "gamma": np.arange(8.0), "beta": np.zeros(8), "mean": np.zeros(8)}
    parameters["var"] = np.full(8, 3.5)
    assert folded_weight(layer, parameters)[:, 0, 0, 0] == pytest.approx(np.arange(8) / 2)


def test_ranges_are_read_from_the_symbol() -> None:
    layers = SymbolLayers(convolution_symbol(convolution()))
    assert layers.range_of("q") == CalibratedRange(-1.0, 1.0, signed=True)
    assert layers.range_of("sg") == CalibratedRange(-2.0, 3.0, signed=True)
    assert layers.range_of("data") is None
    unsigned = SymbolLayers(convolution_symbol(convolution(relu=True), data="0.000000"))
    assert unsigned.range_of("q") == CalibratedRange(0.0, 1.0, signed=False)
    assert unsigned.range_of("sg") == CalibratedRange(0.0, 3.0, signed=False)


DEPTHWISE = convolution(channels=8, filters=8, groups=8, kernel=(5, 5), pad=(2, 2))


@pytest.mark.parametrize(
    ("case", "data", "names"),
    [
        (DEPTHWISE, "-1.000000", ["int8-depthwise-padding"]),
        (DEPTHWISE, "0.000000", []),
        (convolution(channels=8, filters=8, groups=8, pad=(1, 1)), "-1.000000", []),
        (convolution(channels=8, filters=8, groups=2), "0.000000", ["int8-grouped-convolution"]),
        (convolution(), "-1.000000", []),
    ],
)
def test_a_layer_with_a_known_defect_names_it(case: Convolution, data: str, names: list[str]) -> None:
    layers = SymbolLayers(convolution_symbol(case, data=data))
    parameters = {name: np.shape(array) for name, array in case.parameters().items()}
    defects = layer_defects(layers, "mkl-int8", MKL, parameters, {"q": (2, case.channels, *case.size)})
    assert defects == ({"sg": names} if names else {})
    assert not layer_defects(layers, "mkl-int8", facts(), parameters)


def test_a_concat_of_both_types_has_a_known_defect() -> None:
    def part(name: str, low: str) -> dict[str, Any]:
        attributes = {"min_calib_range": low, "max_calib_range": "1.000000", "out_type": "auto"}
        return {"op": "_contrib_quantize_v2", "name": name, "inputs": [[0, 0, 0]], "attrs": attributes}

    def symbol(*lows: str) -> dict[str, Any]:
        concat: dict[str, Any] = {"op": "_contrib_quantized_concat", "name": "concat", "attrs": {"num_args": "2"}}
        concat["inputs"] = [[1, 0, 0], [2, 0, 0], [1, 1, 0], [1, 2, 0], [2, 1, 0], [2, 2, 0]]
        return {"nodes": [variable("data"), part("a", lows[0]), part("b", lows[1]), concat], "heads": [[3, 0, 0]]}

    mixed, same = (SymbolLayers(symbol("0.000000", low)) for low in ("-1.000000", "0.000000"))
    assert layer_defects(mixed, "mkl-int8", MKL, {}) == {"concat": ["int8-concat-of-types"]}
    assert layer_defects(same, "mkl-int8", MKL, {}) == {}
    assert mixed.range_of("concat") == CalibratedRange(-1.0, 1.0, signed=True)


GOOD = LayerLoss("good", 30.0, 31.0)
FLOOR = expected_outputs_db([GOOD, GOOD]) - OUTPUTS_MARGIN_DB


def test_a_network_above_all_floors_is_right() -> None:
    result = judge_by_floors([GOOD, GOOD], FLOOR + 0.1, 10.0)
    assert (result.problem, result.unjudged) == (None, None)


@pytest.mark.parametrize(
    ("losses", "outputs_db", "reason"),
    [
        ([GOOD, GOOD], FLOOR - 0.1, "SQNR of the outputs is 17.9 dB, below the 18.0 dB expected of its layers"),
        ([GOOD, LayerLoss("odd", 30.0, None)], 30.0, "no floor is known for 1 of 2 layers, such as odd"),
        (
            [GOOD, LayerLoss("sum", 30.0, 31.0, ("int8-sum-of-other-type",))],
            30.0,
            "known defect int8-sum-of-other-type in 1 layer, with little effect on the images of this check",
        ),
    ],
)
def test_a_network_that_is_neither_right_nor_wrong_is_not_judged(
    losses: list[LayerLoss], outputs_db: float, reason: str
) -> None:
    result = judge_by_floors(losses, outputs_db, 10.0)
    assert (result.problem, result.unjudged) == (None, reason)


@pytest.mark.parametrize(
    ("losses", "between_db", "problem"),
    [
        (
            [GOOD, *[LayerLoss("depthwise", -3.0, 31.0, ("int8-depthwise-padding",))] * 2],
            3.0,
            "known defect int8-depthwise-padding in 2 layers (fixed in 1.6.0), SQNR of the outputs is 20.0 dB",
        ),
        (
            [GOOD, LayerLoss("odd", 24.9, 31.0)],
            3.0,
            "layer odd alone has SQNR 24.9 dB, below the 25.0 dB allowed by its steps",
        ),
        (
            [LayerLoss("nan", float("nan"), 31.0)],
            3.0,
            "layer nan alone has SQNR nan dB, below the 25.0 dB allowed by its steps",
        ),
        (
            [GOOD],
            -0.1,
            "the outputs hardly depend on the image: SQNR -0.1 dB of what differs between images",
        ),
    ],
)
def test_a_wrong_network_has_a_problem(losses: list[LayerLoss], between_db: float, problem: str) -> None:
    assert judge_by_floors(losses, 20.0, between_db).problem == problem


def test_the_mean_output_for_all_images_has_a_ratio_of_zero_between_images() -> None:
    exact = np.random.default_rng(1).normal(3.0, 0.1, (32, 10))
    constant = np.broadcast_to(exact.mean(axis=0), exact.shape)
    assert sqnr_db(exact, constant) > 25
    assert between_images_db(exact, constant) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("version", "isa", "known"),
    [("1.5.1", "amx", True), ("1.5.1", "avx2", True), ("1.5.1", "avx512", False), ("1.6.0", "avx512_vnni", False)],
)
def test_steps_are_unknown_for_other_releases_and_where_sums_saturate(version: str, isa: str, known: bool) -> None:
    with cpu_with(isa):
        assert (why_unknown_steps(facts(mxnet=version)) is None) == known
