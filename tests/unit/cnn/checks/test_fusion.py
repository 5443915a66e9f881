"""The layers of a variant's operators, and what is wrong with them."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.cnn.checks.fusion import layer_differences, layers_by_kind, operator_counts
from perf.cnn.checks.golden import GoldenAnswers, ReleaseAnswers, release_with_answers
from perf.cnn.checks.verify import VerifiedVariant, layer_problems, with_unjudged_layers
from perf.measure.plan import Program, Variant
from perf.measure.workers.replies import GraphNode
from tests.support.fakes import build, facts

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


def test_stored_answers_judge_only_the_release_that_they_are_of() -> None:
    stored = GoldenAnswers(STORED.layers, releases={"1.6.0": ReleaseAnswers({"mkl-fp32": {"fc": ("own",)}})})
    assert stored.of(facts(mxnet="1.5.0")) == stored.of(facts(mxnet="1.5.1")) == stored
    assert stored.of(facts(mxnet="1.6.0")).layers == {"mkl-fp32": {"fc": ("own",)}}
    for version in ("1.3.1", "1.4.1", "1.5.2", "1.7.0", "1.9.1", "2.0.0"):
        assert stored.of(facts(mxnet=version)) == ReleaseAnswers()


@given(st.lists(st.sampled_from(["1.4.1", "1.5.0", "1.5.1", "1.6.0", "1.9.1", "2.0.0"]), max_size=6))
def test_storing_answers_of_a_release_keeps_those_of_every_other_release(versions: list[str]) -> None:
    stored, latest = GoldenAnswers(), dict[str, ReleaseAnswers]()
    for number, version in enumerate(versions):
        answers = ReleaseAnswers({"mkl-fp32": {"fc": (str(number),)}})
        stored = stored.replaced(facts(mxnet=version), answers)
        latest[release_with_answers(facts(mxnet=version))] = answers
    again = msgspec.json.decode(msgspec.json.encode(stored), type=GoldenAnswers)
    for version, answers in latest.items():
        assert again.of(facts(mxnet=version)).layers == answers.layers


@pytest.mark.parametrize(
    ("version", "unjudged"),
    [("1.5.0", None), ("1.5.1", None), ("1.6.0", "its layers are stored for MXNet 1.5.0, not for 1.6.0")],
)
def test_layers_of_another_release_are_not_judged_and_that_is_reported(version: str, unjudged: str | None) -> None:
    stored = GoldenAnswers(STORED.layers)
    program = Program(Path("fp32.json"), Path("fp32.params"), "MKLDNN", "")
    variant = Variant("mkl-fp32", build("mkl", mxnet=version), program)
    result = with_unjudged_layers(VerifiedVariant([CONV], "jit", 0.0), variant, stored)
    assert result.problem is None
    assert result.unjudged == unjudged


def test_a_release_that_cannot_fuse_need_not_have_fused() -> None:
    assert layer_problems("mkl-fp32", [BN], ReleaseAnswers(), fuses=False) == []
