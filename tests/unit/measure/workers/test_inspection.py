"""What MKL-DNN's trace says."""

import pytest

from perf.measure.workers.inspection import Observation

INT8 = (
    "mkldnn_verbose,exec,convolution,jit_int8:avx512_core,forward_inference,fsrc:nhwc fwei:OIhw4i16o4i fbia:x "
    "fdst:nhwc,alg:convolution_direct,mb1_g1ic64oc64_ih56oh56kh1sh1dh0ph0_iw56ow56kw1sw1dw0pw0,0.0349121\n"
)
FP32 = INT8.replace("jit_int8:avx512_core", "jit:avx512_common")
REORDER = "mkldnn_verbose,exec,reorder,simple:any,undef,in:f32_nchw out:u8_nhwc,num:1,1x3x224x224,0.1\n"


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
