"""Which instructions the INT8 convolutions execute, read from the machine code that MKL-DNN generated for them."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import capstone

# MKL-DNN 0.19 writes each kernel's machine code into the working directory, as mkldnn_dump_KERNEL.NUMBER.bin
# (src/cpu/jit_generator.hpp).
DUMP = {"MKLDNN_JIT_DUMP": "1"}
# Kernels of INT8 convolutions, by MKL-DNN's own name for their types: u8 or s8 by s8, summed in s32, to any.
INT8_CONVOLUTIONS = "mkldnn_dump_*x8s8s32x*conv*.bin"
VNNI = "vpdpbusd"
# Products of bytes, by the instruction that makes them. Without VNNI, pairs of products are summed in 16 bits first.
PRODUCTS = frozenset({VNNI, "vpdpbusds", "vpmaddubsw", "pmaddubsw"})


def byte_products(folder: Path) -> Mapping[str, frozenset[str]]:
    """The instructions that multiply bytes in each INT8 convolution's kernel in a folder, by the kernel's file name."""
    return {
        path.name: frozenset(mnemonics(path.read_bytes())) & PRODUCTS for path in sorted(folder.glob(INT8_CONVOLUTIONS))
    }


def mnemonics(code: bytes) -> Iterator[str]:
    """The instructions' names in x86-64 machine code; what is none (tables of constants) is skipped."""
    disassembler = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    disassembler.skipdata = True
    return (mnemonic for _, _, mnemonic, _ in disassembler.disasm_lite(code, 0) if mnemonic != ".byte")


def vnni_problem(kernels: Iterable[frozenset[str]], *, has_vnni: bool) -> str | None:
    """What is wrong with the kernels of a network's INT8 convolutions, by their products of bytes: there must be some,
    and each of them must use VNNI where the CPU has it.
    """
    found = list(kernels)
    if not found:
        return "MKL-DNN generated no INT8 convolution"
    without = sum(VNNI not in products for products in found)
    return f"{without} of {len(found)} INT8 convolutions do without {VNNI}" if has_vnni and without else None


def products_text(kernels: Iterable[frozenset[str]]) -> str:
    """The instructions in use, and what follows from them."""
    used = sorted(frozenset().union(*kernels))
    if VNNI in used or not used:
        return ", ".join(used) or "none"
    return f"{', '.join(used)}: sums of two products saturate at 16 bits, which can cost accuracy"
