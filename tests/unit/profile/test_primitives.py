"""Reading the primitive traces of both generations of the library."""

import pytest

from perf.profile.primitives import Primitive, by_operator, read_primitives

OLD = """mkldnn_verbose,info,Intel(R) MKL-DNN v0.19.0 (Git Hash 0)
mkldnn_verbose,create,convolution,jit:avx2,forward_inference,fsrc:nChw8c,,mb1,0.5
mkldnn_verbose,exec,convolution,jit:avx2,forward_inference,fsrc:nChw8c,alg:convolution_direct,mb1,0.25
mkldnn_verbose,exec,reorder,simple:any,undef,in:f32_oihw out:f32_Oihw8o,num:1,16x3,0.1
"""
NEW = "dnnl_verbose,exec,cpu,convolution,jit:avx2,forward_inference,src_f32::blocked:aBcd8b:f0,,,mb1,1e-3\n"


def test_executed_primitives_of_the_old_library_are_read_in_order() -> None:
    assert list(read_primitives(OLD)) == [
        Primitive("convolution", "jit:avx2", "forward_inference,fsrc:nChw8c,alg:convolution_direct,mb1", 0.25),
        Primitive("reorder", "simple:any", "undef,in:f32_oihw out:f32_Oihw8o,num:1,16x3", 0.1),
    ]


def test_the_newer_form_names_its_engine_first() -> None:
    description = "forward_inference,src_f32::blocked:aBcd8b:f0,,,mb1"
    assert list(read_primitives(NEW)) == [Primitive("convolution", "jit:avx2", description, 0.001)]


def test_a_trace_without_primitives_is_empty() -> None:
    assert list(read_primitives("Segmentation fault\n")) == []


MARKED = """mxnet_perf,pass
mkldnn_verbose,exec,reorder,simple:any,undef,in:f32_nchw out:f32_nChw8c,num:1,1x3,0.2
mxnet_perf,operator,conv0
mxnet_perf,pass
mkldnn_verbose,exec,convolution,jit:avx2,forward_inference,fsrc:nChw8c,mb1,0.25
mxnet_perf,operator,conv0
mxnet_perf,operator,flatten0
mkldnn_verbose,exec,reorder,simple:any,undef,in:f32_nChw8c out:f32_nchw,num:1,1x3,0.2
"""


def test_primitives_belong_to_the_operator_whose_mark_follows_in_the_last_pass() -> None:
    convolution = Primitive("convolution", "jit:avx2", "forward_inference,fsrc:nChw8c,mb1", 0.25)
    assert by_operator(MARKED) == {"conv0": (convolution,), "flatten0": ()}
    assert by_operator(OLD) == {}


@pytest.mark.parametrize("duration", ["1e308.1", "1-", "--", "1e", "."])
def test_a_line_of_a_trace_without_a_duration_is_another_line(duration: str) -> None:
    line = "mkldnn_verbose,exec,convolution,jit:avx2,forward_inference,mb1,{}\n"
    assert len(list(read_primitives(line.format("0.1") + line.format(duration)))) == 1
    assert [ran.time_ms for ran in read_primitives(line.format("1.5e-05"))] == [1.5e-05]
