"""A user's files, read without MXNet: what can be measured, and what is refused with a reason."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.cnn.artifacts.images import images_of_shape, synthetic_images
from perf.cnn.symbols.networks import UserNetwork, check_user_networks, input_name, user_networks
from perf.cnn.symbols.params_file import read_params
from perf.errors import PerfError
from perf.plugin.values import SYMBOL
from tests.support.inline import run_inline
from tests.unit.cnn.symbols.made_networks import NODES, PARAMS, MadeNode, params_bytes, symbol_text, written


def network(folder: Path, symbol: str | None = None, params: bytes | None = None) -> UserNetwork:
    (made,) = user_networks([SYMBOL.parse(written(folder, symbol, params))])
    return made


def without(*names: str) -> bytes:
    return params_bytes({name: shape for name, shape in PARAMS.items() if name not in names})


def named(nodes: Sequence[MadeNode], old: str, new: str) -> list[MadeNode]:
    """The nodes with another name for one of them."""
    new_of = {old: new}
    return [(new_of.get(name, name), op, [new_of.get(i, i) for i in inputs]) for name, op, inputs in nodes]


@pytest.mark.parametrize("name", ["data", "images"])
@pytest.mark.parametrize("version", [0xF993FAC8, 0xF993FAC9])
def test_the_input_is_what_the_parameter_file_lacks(tmp_path: Path, name: str, version: int) -> None:
    made = network(tmp_path, symbol_text(named(NODES, "data", name)), params_bytes(version=version))
    assert input_name(made) == name


def test_parameters_that_the_symbol_does_not_need_are_left_alone(tmp_path: Path) -> None:
    assert input_name(network(tmp_path, params=params_bytes({**PARAMS, "aux:other": (3,)}))) == "data"


LOSS: MadeNode = ("softmax", "SoftmaxOutput", ("fc", "softmax_label"))
SUM: MadeNode = ("sum", "elemwise_add", ("other", "fc"))
REFUSED = {
    "not JSON": ("{", None, "net.json: is not a symbol file of MXNet: "),
    "no symbol": ("{}", None, "net.json: is not a symbol file of MXNet: "),
    "dangling": (json.dumps({"nodes": [], "heads": [[1, 0, 0]]}), None, "net.json: is not a symbol file of MXNet: it "),
    "two outputs": (symbol_text(heads=("conv0", "fc")), None, "it has 2 outputs, and must have one"),
    "a loss": (symbol_text([*NODES, ("softmax_label", "null", ()), LOSS], ["softmax"]), None, "input softmax_label"),
    "two inputs": (symbol_text([*NODES, ("other", "null", ()), SUM], ["sum"]), None, "several inputs: data, other"),
    "no input": (None, params_bytes({**PARAMS, "arg:data": (1,)}), "net.json: it has no input"),
    "missing": (None, without("arg:fc_bias", "arg:fc_weight"), "the parameter file lacks fc_weight, fc_bias"),
    "no params": (None, b"", "net.params: is not a parameter file of MXNet: it is incomplete"),
    "a text": (None, b"these are not parameters at all", "MXNet: it does not begin as one"),
    "save_parameters": (None, params_bytes({"conv0.weight": (1,)}), "its names do not begin with arg: or aux:"),
    "half": (None, params_bytes(kind="float16"), "arg:fc_weight and 1 more: not of type float32"),
    "numpy": (None, params_bytes(version=0xF993FACA), "it was saved with numpy's shapes"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_measured_is_refused(tmp_path: Path, case: str) -> None:
    symbol, params, message = REFUSED[case]
    with pytest.raises(PerfError) as caught:
        check_user_networks([network(tmp_path, symbol, params)], label=str)
    assert message in str(caught.value)
    assert caught.value.next_step


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mynet", "write NAME=SYMBOL.json,FILE.params,CxHxW, such as mynet="),
        ("my net=a,b,3x8x8", "write NAME=SYMBOL.json,"),
        ("mynet=a,,3x8x8", "write NAME=SYMBOL.json,"),
        ("mynet=a,b,c,3x8x8", "write NAME=SYMBOL.json,"),
        ("mynet=a,b,8x8", "write the shape of an image as CxHxW"),
        ("mynet=a,b,3x0x8", "write the shape of an image as CxHxW"),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        SYMBOL.parse(text)


def test_a_users_network_has_cases_like_the_suites_own(tmp_path: Path) -> None:
    options = (f"--perf-symbol={written(tmp_path)}", "--perf-batch=2", "--perf-model=cifar_resnet20_v1")
    finished = run_inline(tmp_path / "cache", "--collect-only", "-q", "perf/cnn/test_inference.py", *options)
    collected = [line.partition("[")[2] for line in finished.output.splitlines() if "::" in line]
    variants = ("native-fp32", "mkl-fp32", "mkl-int8")
    assert collected == [f"{name}-b2-{v}]" for name in ("cifar_resnet20_v1", "mynet") for v in variants]


def test_images_have_the_shape_of_the_input() -> None:
    draw = partial(np.random.RandomState, 1)
    square = images_of_shape(draw(), 2, (3, 9, 9))
    assert np.array_equal(square, synthetic_images(draw(), 2, 9)), "GluonCV's networks get the images they always got"
    wide = images_of_shape(draw(), 2, (4, 5, 9))
    assert wide.shape == (2, 4, 5, 9)
    assert np.array_equal(wide[:, :3], square[:, :, :5])
    assert np.array_equal(wide[:, 3], square[:, 0, :5])


def test_a_name_that_exists_is_refused(tmp_path: Path) -> None:
    made = network(tmp_path)
    with pytest.raises(PerfError, match="here: GluonCV has a network of this name\nnext: choose another name"):
        check_user_networks([made._replace(name="resnet18_v1")], label=lambda _: "here")
    with pytest.raises(PerfError, match="this name is taken twice"):
        check_user_networks([made, made], label=lambda _: "here")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    made = network(tmp_path)
    made.params.unlink()
    with pytest.raises(PerfError, match=r"net\.params: cannot be read: No such file"):
        input_name(made)


@given(st.integers(0, len(params_bytes()) - 1))
def test_a_parameter_file_that_was_cut_is_refused(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    file = tmp_path_factory.getbasetemp() / "cut.params"
    file.write_bytes(params_bytes()[:length])
    with pytest.raises(PerfError, match="is not a parameter file of MXNet"):
        read_params(file)


@given(st.binary(max_size=200), st.integers(0, 300))
def test_a_damaged_parameter_file_is_an_error_at_most(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, place: int
) -> None:
    content = bytearray(params_bytes())
    content[place : place + len(noise)] = noise
    file = tmp_path_factory.getbasetemp() / "damaged.params"
    file.write_bytes(content)
    try:
        assert isinstance(read_params(file), dict)
    except PerfError as error:
        assert "is not a parameter file of MXNet" in error.what  # noqa: PT017 - most damage is noticed, some is not


def test_content_tells_networks_apart(tmp_path: Path) -> None:
    made = network(tmp_path)
    before = made.content
    assert made._replace(shape=(1, 9, 9)).content != before
    made.params.write_bytes(params_bytes({**PARAMS, "arg:more": (1,)}))
    assert made.content != before
