"""What MKL-DNN's trace says."""

import pytest

from perf.builds import release_of
from perf.measure.workers.inspection import Observation, tracing
from tests.support.fakes import build

INT8 = (
    "mkldnn_verbose,exec,convolution,jit_int8:avx512_core,forward_inference,fsrc:nhwc fwei:OIhw4i16o4i fbia:x "
    "fdst:nhwc,alg:convolution_direct,mb1_g1ic64oc64_ih56oh56kh1sh1dh0ph0_iw56ow56kw1sw1dw0pw0,0.0349121\n"
)
FP32 = INT8.replace("jit_int8:avx512_core", "jit:avx512_common")
REORDER = "mkldnn_verbose,exec,reorder,simple:any,undef,in:f32_nchw out:u8_nhwc,num:1,1x3x224x224,0.1\n"


# Of 1.6.0 and 1.9.1: the engine stands before the primitive.
RNN_16 = "mkldnn_verbose,exec,cpu,rnn,ref:any,forward_inference,src_layer_f32::blocked:abc:f0,alg:vanilla_lstm,0.5\n"
RNN_19 = RNN_16.replace("mkldnn_", "dnnl_")


@pytest.mark.parametrize(
    ("version", "log", "kernels"),
    [
        ("1.3.1", INT8.replace("convolution", "rnn"), 1),
        ("1.6.0", RNN_16, 1),
        ("1.9.1", RNN_19, 1),
        ("1.5.1", RNN_16, 0),
        ("1.6.0", RNN_19, 0),
        ("1.6.0", INT8, 0),
    ],
)
def test_a_trace_is_read_as_its_release_writes_it(version: str, log: str, kernels: int) -> None:
    trace = release_of(version)[0].trace
    assert Observation([], {}, None, log, trace).kernels("rnn").total() == kernels


@pytest.mark.parametrize(("version", "variable"), [("1.4.1", "MKLDNN_VERBOSE"), ("1.9.1", "DNNL_VERBOSE")])
def test_the_variable_of_the_trace_is_that_of_the_release(version: str, variable: str) -> None:
    assert tracing(build("mkl", mxnet=version)) == {variable: "1"}


@pytest.mark.parametrize(
    ("log", "kernels"),
    [
        ("", {}),
        (REORDER, {}),
        (INT8, {"jit_int8:avx512_core": 1}),
        (f"[12:00:00] loading\n{REORDER * 5}{INT8 * 3}{FP32 * 2}", {"jit_int8:avx512_core": 3, "jit:avx512_common": 2}),
        (INT8.replace(",exec,", ",create,"), {}),
        ("said " + INT8, {}),
        (INT8.replace("convolution,", "rnn,", 1), {}),
    ],
)
def test_kernels_are_those_of_the_primitive_that_ran(log: str, kernels: dict[str, int]) -> None:
    assert Observation([], {}, None, log, "mkldnn_verbose,exec,").kernels("convolution") == kernels
