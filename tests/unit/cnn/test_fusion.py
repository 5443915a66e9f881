"""The layers of a variant's operators, and what is wrong with them."""

import pytest

from perf.cnn.checks.fusion import layer_differences, layers_by_kind, operator_counts
from perf.cnn.checks.golden import ReleaseAnswers
from perf.cnn.checks.verify import layer_problems
from perf.measure.workers.replies import GraphNode

CONV = GraphNode(
    "sg_mkldnn_conv_bn_act_0",
    "_sg_mkldnn_conv",
    quantized=False,
    inside=(("Convolution", "conv0_fwd"), ("BatchNorm", "batchnorm0_fwd"), ("Activation", "relu0_fwd")),
)
INT8 = GraphNode("quantized_sg_mkldnn_conv_bn_act_0", CONV.op, quantized=True, inside=CONV.inside)
POOL = GraphNode("quantized_pool0_fwd", "_contrib_quantized_pooling", quantized=True, inside=())
BN = GraphNode("batchnorm1_fwd", "BatchNorm", quantized=False, inside=())
FLATTEN = GraphNode("flatten0", "Flatten", quantized=False, inside=())
FULLY_CONNECTED = GraphNode(
    "fc", "_sg_mkldnn_fully_connected", quantized=False, inside=(("FullyConnected", "dense0_fwd"),)
)
STORED = ReleaseAnswers(layers={"mkl-fp32": {"conv+bn+relu": ("relu0_fwd",), "fc": ("dense0_fwd",)}})


def test_layers_are_named_by_the_operator_whose_output_they_compute() -> None:
    assert layers_by_kind([CONV, BN, FLATTEN, FULLY_CONNECTED]) == {
        "conv+bn+relu": ("relu0_fwd",),
        "fc": ("dense0_fwd",),
        "unfused bn": ("batchnorm1_fwd",),
    }
    assert layers_by_kind([INT8, POOL, FLATTEN]) == {
        "int8 conv+bn+relu": ("relu0_fwd",),
        "int8 pooling": ("pool0_fwd",),
    }


def test_operators_are_counted_as_fused_quantised_or_unfused() -> None:
    nodes = [CONV, INT8, POOL, BN, FLATTEN, FULLY_CONNECTED]
    assert operator_counts(nodes) == {"fused": 3, "quantized": 2, "unfused": 1}


def test_a_lost_layer_is_named_with_what_runs_instead() -> None:
    without_relu = GraphNode("sg", CONV.op, quantized=False, inside=CONV.inside[:2])
    relu = GraphNode("relu0_fwd", "Activation", quantized=False, inside=())
    assert layer_differences(layers_by_kind([without_relu, relu]), layers_by_kind([CONV])) == [
        "lost conv+bn+relu: relu0_fwd",
        "new conv+bn: batchnorm0_fwd",
        "new unfused relu: relu0_fwd",
    ]
    assert layer_differences(layers_by_kind([CONV]), layers_by_kind([CONV])) == []


def test_layers_must_be_as_stored() -> None:
    assert layer_problems("mkl-fp32", [CONV, FULLY_CONNECTED], STORED) == []
    assert layer_problems("mkl-fp32", [CONV], STORED) == ["lost fc: dense0_fwd"]


@pytest.mark.parametrize(
    ("variant", "nodes", "problems"),
    [
        ("mkl-fp32", [CONV], []),
        ("mkl-fp32", [BN], ["no operator is fused in mkl-fp32"]),
        ("mkl-int8", [INT8], []),
        ("mkl-int8", [CONV], ["no operator is quantized in mkl-int8"]),
    ],
)
def test_a_network_without_stored_layers_must_have_a_fused_or_quantised_one(
    variant: str, nodes: list[GraphNode], problems: list[str]
) -> None:
    assert layer_problems(variant, nodes, ReleaseAnswers()) == problems


def test_the_native_build_fuses_and_quantises_nothing() -> None:
    assert layer_problems("native-fp32", [BN, FLATTEN], STORED) == []
    assert layer_problems("native-fp32", [CONV, POOL], STORED) == [
        "1 fused operator in native-fp32, which must have none",
        "1 quantized operator in native-fp32, which must have none",
    ]
