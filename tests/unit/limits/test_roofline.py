"""The bound of a case: arithmetic or memory, and what no case can exceed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.limits.result import KernelLimit, MachineLimits
from perf.limits.roofline import Bound, bound_of, excess, peak_of
from perf.limits.text import blas_lines, excess_lines, limit_lines

LIMITS = MachineLimits(
    kernels=[
        KernelLimit("fp32_avx2", "fp32", 200.0, 3.1, 198.4),
        KernelLimit("int8_avx2", "int8", 400.0, 3.1, 396.8),
        KernelLimit("int8_amx", "int8", 9000.0, 3.1, None, used_by_mxnet_150=False),
        KernelLimit("copy", "copy", 20.0, 3.1, None),
    ],
    cores=2,
    core_name="Zen 3",
    cache_bytes=32_000_000,
)


def bound(
    variant: str = "mkl-fp32", flops: float = 2e9, moved: float = 0.0, instances: int = 1, latency: float = 0.02
) -> Bound:
    result = bound_of(
        LIMITS, variant, flops=flops, moved_bytes=moved, instances=instances, latency_s=latency, fastest_s=latency
    )
    assert result is not None
    return result


def test_arithmetic_limits_what_fits_into_the_cache() -> None:
    assert bound(moved=32e6) == Bound(0.01, 0.0, 0.5, 0.5)
    assert bound().limited_by == "arithmetic"


def test_int8_has_its_own_peak() -> None:
    assert bound("mkl-int8").arithmetic_s == pytest.approx(0.005)


def test_memory_limits_what_exceeds_the_cache() -> None:
    memory = bound(flops=1e6, moved=232e6)
    assert memory.memory_s == pytest.approx(0.01)
    assert memory.limited_by == "memory"


def test_instances_share_the_machine() -> None:
    assert bound(instances=2).arithmetic_s == pytest.approx(0.02)


def test_without_a_limit_there_is_no_bound() -> None:
    unknown = MachineLimits(kernels=[KernelLimit("copy", "copy", 20.0, None, None)])
    assert bound_of(unknown, "mkl-fp32", flops=1, moved_bytes=1, instances=1, latency_s=1, fastest_s=1) is None


@given(st.floats(1e6, 1e12), st.floats(0, 1e10), st.floats(1e-4, 10))
def test_no_bound_is_below_its_parts(flops: float, moved: float, latency: float) -> None:
    result = bound(flops=flops, moved=moved, latency=latency)
    assert result.fraction * latency == pytest.approx(max(result.arithmetic_s, result.memory_s))


@pytest.mark.parametrize(("latency", "exceeds"), [(0.01, False), (0.0098, False), (0.0096, True)])
def test_a_case_beyond_the_limit_is_reported(latency: float, exceeds: bool) -> None:
    problem = excess("a-case", bound(latency=latency))
    assert bool(problem) is exceeds
    assert problem is None or problem.startswith("a-case exceeds the machine's limit of arithmetic by 4 %")
    assert excess_lines({"a-case": bound(latency=latency), "unknown": None}) == ([f"{problem}."] if exceeds else [])


def test_limits_are_sentences() -> None:
    assert limit_lines(LIMITS) == [
        "Limits by probe, 2 cores of Zen 3: FP32 200 GFLOP/s (101 % of 198, at 3.10 GHz); INT8 400 GOP/s (101 % of "
        "397, at 3.10 GHz); memory, copying 20 GB/s.",
        "INT8 with int8_amx, which MXNet 1.5.0 cannot use: 9000 GOP/s.",
    ]
    assert limit_lines(MachineLimits(problems=["nothing ran"])) == ["Limits: nothing ran."]


def test_what_a_blas_reaches_is_not_called_a_limit() -> None:
    lines = blas_lines(LIMITS, {"native": 66.0}, {"native": "OpenBLAS with kernels for Barcelona"}, 2048)
    assert lines == [
        "The BLAS of native reaches 66 GFLOP/s, 33 % of the limit, in a 2048 x 2048 FP32 matrix product: OpenBLAS with "
        "kernels for Barcelona."
    ]
    assert blas_lines(None, {}, {}, 2048) == []


def test_a_later_release_is_held_against_all_that_the_cpu_can_do_in_int8() -> None:
    peaks = [peak_of(LIMITS, variant, mxnet_150=False) for variant in ("mkl-int8", "mkl-fp32")]
    assert [peak.kernel for peak in peaks if peak] == ["int8_amx", "fp32_avx2"]
    without = MachineLimits(kernels=[k for k in LIMITS.kernels if k.used_by_mxnet_150])
    assert peak_of(without, "mkl-int8", mxnet_150=False) == without.int8


def test_kernels_that_reach_no_more_are_not_stated_apart() -> None:
    slower = KernelLimit("int8_avx_vnni", "int8", 300.0, 3.1, None, used_by_mxnet_150=False)
    limits = MachineLimits(kernels=[*(k for k in LIMITS.kernels if k.kernel != "int8_amx"), slower])
    assert limits.int8_unused is None
    assert peak_of(limits, "mkl-int8", mxnet_150=False) == limits.int8
