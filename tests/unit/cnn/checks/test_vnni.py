"""The instructions in generated code, and what they imply."""

from pathlib import Path

import pytest

from perf.cnn.checks.vnni import byte_products, mnemonics, products_text, vnni_problem
from perf.cnn.operators.arithmetic import EXACT, HALVED, PAIRS, Arithmetic

# Encoded by hand after Intel's manual, volume 2: vpdpbusd zmm1, zmm2, zmm3; vpmaddubsw zmm1, zmm2, zmm3; ret.
VPDPBUSD = bytes.fromhex("62f26d4850cb")
VPMADDUBSW = bytes.fromhex("62f26d4804cb")
RET = b"\xc3"
WITH, WITHOUT = frozenset({"vpdpbusd"}), frozenset({"vpmaddubsw"})


def test_instructions_are_read_and_constants_skipped() -> None:
    assert list(mnemonics(VPDPBUSD + RET)) == ["vpdpbusd", "ret"]
    assert "vpdpbusd" in set(mnemonics(b"\x06\x07\x0e" + VPDPBUSD))


def test_products_of_bytes_are_read_from_int8_convolutions_only(tmp_path: Path) -> None:
    kernel = "mkldnn_dump__jit_avx512_core_x8s8s32x_conv_fwd_ker_t"
    (tmp_path / f"{kernel}.1.bin").write_bytes(VPDPBUSD + RET)
    (tmp_path / f"{kernel}.2.bin").write_bytes(VPMADDUBSW + RET)
    (tmp_path / "mkldnn_dump_jit_uni_reorder_kernel_f32.3.bin").write_bytes(VPDPBUSD)
    (tmp_path / "dnnl_dump_cpu__jit_avx512_core_x8s8s32x_conv_fwd_ker_t.4.bin").write_bytes(VPDPBUSD)
    assert byte_products(tmp_path, "mkldnn_dump_") == {f"{kernel}.1.bin": WITH, f"{kernel}.2.bin": WITHOUT}


def test_kernels_for_any_type_count_if_they_multiply_bytes(tmp_path: Path) -> None:
    own, shared = (f"dnnl_dump_cpu_jit_{name}" for name in ("x8s8s32x_conv_fwd_ker_t", "brgemm_kernel_t"))
    for name, code in ((f"{own}.1", RET), (f"{shared}.2", RET), (f"{shared}.3", VPDPBUSD), (f"{shared}.4", VPMADDUBSW)):
        (tmp_path / f"{name}.bin").write_bytes(code)
    kernels = byte_products(tmp_path, "dnnl_dump_cpu_")
    assert kernels == {f"{own}.1.bin": frozenset(), f"{shared}.3.bin": WITH, f"{shared}.4.bin": WITHOUT}


@pytest.mark.parametrize(
    ("kernels", "arithmetic", "problem"),
    [
        ([WITH, WITH], EXACT, None),
        ([WITHOUT], PAIRS, None),
        ([WITH, WITHOUT, WITHOUT], EXACT, "2 of 3 INT8 convolutions without vpdpbusd"),
        ([frozenset()], EXACT, "1 of 1 INT8 convolution without vpdpbusd"),
        ([], EXACT, "MKL-DNN generated no INT8 convolution"),
        ([], PAIRS, "MKL-DNN generated no INT8 convolution"),
        ([], HALVED, None),
    ],
)
def test_every_int8_convolution_must_use_vnni_where_the_cpu_has_it(
    kernels: list[frozenset[str]], arithmetic: Arithmetic, problem: str | None
) -> None:
    assert vnni_problem(kernels, arithmetic) == problem


def test_saturating_instructions_are_explained() -> None:
    assert products_text([WITH]) == "vpdpbusd"
    assert products_text([WITHOUT]) == ("vpmaddubsw: sums of two products saturate at 16 bits, which can cost accuracy")
    assert products_text([]) == "none"
