"""Layouts in the words of MKL-DNN 0.19, 1.0 and oneDNN 1.3; the lines are from traces of MXNet 1.5.0, 1.6.0, 1.7.0."""

import pytest

from perf.profile.layouts import by_order, layouts_of, shape_of

SHAPE = "mb1_ic3oc64_ih224oh112kh7sh2dh0ph3_iw224ow112kw7sw2dw0pw3"
CONVOLUTIONS = (
    f"forward_inference,fsrc:nchw fwei:Ohwi8o fbia:x fdst:nChw8c,alg:convolution_direct,{SHAPE}",
    "forward_inference,src_f32::blocked:abcd:f0 wei_f32::blocked:Acdb8a:f0 bia_f32::blocked:a:f0 "
    f"dst_f32::blocked:aBcd8b:f0,post_ops:'eltwise_relu:0:1;';,alg:convolution_direct,{SHAPE}",
)


@pytest.mark.parametrize("description", CONVOLUTIONS)
def test_a_convolution_reads_the_same_layouts_in_every_release(description: str) -> None:
    assert layouts_of(description) == "src abcd, weights Acdb8a"
    assert shape_of(description) == SHAPE


@pytest.mark.parametrize(
    ("description", "layouts"),
    [
        ("forward_inference,fdata:nChw8c fws:undef,alg:pooling_max,mb1ic64", "src aBcd8b"),
        ("forward_inference,src_f32::blocked:aBcd8b:f0 ws_undef::undef::f0,,mb1", "src aBcd8b"),
        ("forward_inference,fsrc:nhwc fwei:hwio_s8s8 fbia:x fdst:nhwc,mb1", "src acdb, weights cdba"),
        ("forward_inference,src_s8::blocked:acdb:f0 wei_s8:p:blocked:ABcd2b8a4b:f3", "src acdb, weights ABcd2b8a4b"),
        ("forward_inference,fsrc:nc fwei:oi fbia:x fdst:nc,,mb1ic512oc1000", "src ab, weights ab"),
        ("forward_inference,fdata:tnc-ldsnc-tnc-ldsnc fwei:ldigo-ldigo-ldgo,l4t50", ""),
        ("forward_inference,src_layer_f32::blocked:abc:f0 wei_layer_f32::blocked:abcde:f0,l4t50", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_what_is_read_is_named(description: str, layouts: str) -> None:
    assert layouts_of(description) == layouts


@pytest.mark.parametrize(
    ("layout", "order"),
    [("gOIhw8i8o", "aBCde8c8b"), ("Goihw8g", "Abcde8a"), ("nCdhw16c", "aBcde16b"), ("x", "a"), ("any", "any")],
)
def test_a_layout_by_meaning_is_one_by_order(layout: str, order: str) -> None:
    assert by_order(layout) == order
