"""Which instructions the INT8 convolutions execute, read from the machine code that MKL-DNN generated for them."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import capstone

from perf.cnn.operators.arithmetic import EXACT, HALVED, Arithmetic
from perf.wording import counted

# Lets MKL-DNN write each kernel's machine code to the working directory, as mkldnn_dump_KERNEL.NUMBER.bin or, in later
# releases, with another beginning (src/cpu/jit_generator.hpp). These also accept the older variable.
DUMP = {"MKLDNN_JIT_DUMP": "1"}
# Kernels of INT8 convolutions. In MKL-DNN's names, x8s8s32x is u8 or s8 times s8, summed in s32, to any type.
INT8_CONVOLUTIONS = "*x8s8s32x*conv*.bin"
# Kernels of most convolutions from 1.9 on, in INT8 and in FP32, which multiplies no bytes.
ANY_CONVOLUTIONS = "*brgemm_kernel_t*.bin"
VNNI = "vpdpbusd"
# Instructions that multiply bytes. Those without VNNI first sum pairs of products in 16 bits.
PRODUCTS = frozenset({VNNI, "vpdpbusds", "vpmaddubsw", "pmaddubsw"})


def byte_products(folder: Path, dumps: str) -> Mapping[str, frozenset[str]]:
    """Return the instructions that multiply bytes in each INT8 convolution's kernel in a folder, by the file's name.

    `dumps` is how the names of such files begin.
    """

    def products_in(kernels: str) -> dict[str, frozenset[str]]:
        paths = sorted(folder.glob(dumps + kernels))
        return {path.name: frozenset(mnemonics(path.read_bytes())) & PRODUCTS for path in paths}

    of_any_type = {name: products for name, products in products_in(ANY_CONVOLUTIONS).items() if products}
    return {**products_in(INT8_CONVOLUTIONS), **of_any_type}


def mnemonics(code: bytes) -> Iterator[str]:
    """Return the names of the instructions in x86-64 machine code. Tables of constants between them are skipped."""
    disassembler = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    disassembler.skipdata = True
    return (mnemonic for _, _, mnemonic, _ in disassembler.disasm_lite(code, 0) if mnemonic != ".byte")


def vnni_problem(kernels: Iterable[frozenset[str]], arithmetic: Arithmetic) -> str | None:
    """Return what is wrong with the INT8 convolutions of a network; None if nothing is.

    `kernels` holds the instructions of each that multiply bytes. There must be at least one kernel, except on a CPU
    without AVX-512, for which MKL-DNN generates none; on a CPU with VNNI every kernel must use it.
    """
    convolutions = list(kernels)
    if not convolutions:
        return None if arithmetic == HALVED else "MKL-DNN generated no INT8 convolution"
    without = sum(VNNI not in products for products in convolutions)
    if arithmetic != EXACT or not without:
        return None
    return f"{without} of {counted(len(convolutions), 'INT8 convolution')} without {VNNI}"


def products_text(kernels: Iterable[frozenset[str]]) -> str:
    """Return the instructions in use, and what they imply."""
    used = sorted(frozenset().union(*kernels))
    if VNNI in used or not used:
        return ", ".join(used) or "none"
    return f"{', '.join(used)}: sums of two products saturate at 16 bits, which can cost accuracy"
