"""Operators of two stacks that compute the same part of a network."""

from perf.measure.workers.replies import GraphNode
from perf.profile.layers import Layer, layers_of, text_of

CONV, BN, RELU = (("Convolution", "conv0"), ("BatchNorm", "bn0"), ("Activation", "relu0"))


def node(name: str, op: str, *inside: tuple[str, str], quantized: bool = False) -> GraphNode:
    return GraphNode(name, op, quantized, inside)


FUSED = node("sg0", "_sg_mkldnn_conv", CONV, BN, RELU)
INT8 = node("quantized_sg0", "_sg_mkldnn_conv", CONV, BN, RELU, quantized=True)
POOL = node("pool0", "Pooling")
ALONE = [node("conv0", "Convolution"), node("bn0", "BatchNorm"), node("relu0", "Activation")]


def test_equal_stacks_have_a_layer_for_each_operator() -> None:
    assert layers_of([FUSED, POOL], [FUSED, POOL]) == [Layer((FUSED,), (FUSED,)), Layer((POOL,), (POOL,))]


def test_an_unfused_layer_keeps_its_operators_together() -> None:
    layers = layers_of([FUSED, POOL], [*ALONE, POOL])
    assert layers == [Layer((FUSED,), tuple(ALONE)), Layer((POOL,), (POOL,))]
    assert layers[0].restructured
    assert not layers[1].restructured
    assert layers[0].name == "conv0"
    assert (text_of(layers[0].then), text_of(layers[0].now)) == ("conv+bn+relu", "conv, bn, relu")


def test_a_quantised_pooling_is_the_same_layer_as_the_pooling() -> None:
    quantised = node("quantized_pool0", "_contrib_quantized_pooling", quantized=True)
    assert layers_of([quantised], [POOL]) == [Layer((quantised,), (POOL,))]


def test_conversions_next_to_a_layer_that_lost_int8_belong_to_it() -> None:
    before, after = node("sg9_dequantize", "_contrib_dequantize"), node("sg0_quantize", "_contrib_quantize_v2")
    other = node("sg8_dequantize", "_contrib_dequantize")
    (layer, pool) = layers_of([INT8, POOL], [other, before, FUSED, after, POOL])
    assert layer == Layer((INT8,), (other, before, FUSED, after))
    assert pool == Layer((POOL,), (POOL,))


def test_an_operator_of_one_stack_alone_is_a_layer_where_nothing_next_to_it_changed() -> None:
    copy = node("copy", "_copy")
    assert layers_of([FUSED, POOL], [FUSED, copy, POOL])[1] == Layer((), (copy,))


def test_what_only_the_baseline_has_comes_last() -> None:
    copy = node("copy", "_copy")
    assert layers_of([copy, FUSED, POOL], [FUSED, POOL])[-1] == Layer((copy,), ())
