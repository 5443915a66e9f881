"""The kernels as text and as machine code: what a loop holds, and that a wrong one is noticed."""

import msgspec
import pytest

from perf.limits.kernels import MEMORY, Kernel, assembly, kernels, kernels_for
from perf.limits.machine_code import Compiled, compiled, hot_loop

ALL = list(kernels().values())


@pytest.fixture(scope="module")
def code() -> Compiled:
    return compiled(ALL)


@pytest.mark.parametrize("kernel", ALL, ids=lambda kernel: kernel.name)
def test_the_loop_holds_its_instructions_and_nothing_else(code: Compiled, kernel: Kernel) -> None:
    assert code.loop_problem(kernel) is None


@pytest.mark.parametrize("kernel", ALL, ids=lambda kernel: kernel.name)
def test_a_loop_that_does_less_is_noticed(code: Compiled, kernel: Kernel) -> None:
    more = msgspec.structs.replace(kernel, steps=kernel.steps + 1)
    assert "instead of" in (code.loop_problem(more) or "")


@pytest.mark.parametrize("kernel", ALL, ids=lambda kernel: kernel.name)
def test_work_is_what_the_hot_instructions_do(kernel: Kernel) -> None:
    width = 64 if "zmm" in kernel.step else 32
    if kernel.kind == "fp32":
        assert kernel.work == 2 * width // 4
    elif kernel.kind == "int8" and "tmm" not in kernel.step:
        assert kernel.work == 2 * width
    elif kernel.kind == "int8":
        assert kernel.work == 2 * 16 * 16 * 64
    else:
        assert kernel.work == 32 * sum(kernel.hot.values())


@pytest.mark.parametrize("kernel", [kernel for kernel in ALL if kernel.kind in MEMORY], ids=lambda kernel: kernel.name)
def test_memory_kernels_walk_without_gaps(kernel: Kernel) -> None:
    assert f"add rsi, {64 * kernel.steps}" in assembly(kernel)
    assert assembly(kernel).count("add r") == kernel.streams


def test_a_cpu_gets_the_kernels_that_it_has_all_flags_for() -> None:
    assert kernels_for({"sse4_2"}) == []
    assert {kernel.name for kernel in kernels_for({"avx2", "fma"}) if kernel.kind == "fp32"} == {"fp32_avx2"}
    vnni = {"avx2", "fma", "avx512f", "avx512bw", "avx512_vnni"}
    assert {kernel.name for kernel in kernels_for(vnni)} == set(kernels()) - {"int8_amx", "int8_avx_vnni"}


def test_code_without_a_loop_has_no_instructions_in_one() -> None:
    assert hot_loop(bytes([0x90, 0xC3, 0x75, 0xFC])) == []  # nop; ret; the jump after it belongs to another function
