"""The kernels as machine code: compiled in memory by LLVM, and read back instruction by instruction."""

import ctypes
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import capstone
from llvmlite import binding as llvm

from perf.limits.kernels import LONGEST, Kernel, module_text

# Capstone 5 does not know these, which have five bytes: C4, a byte that ends in 00010 (0F38), a byte with W,
# L and pp, the operation, and a byte for registers. TDPBUSD is VEX.128.66.0F38.W0 5E, VPDPBUSD of AVX-VNNI is
# VEX.256.66.0F38.W0 50 (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2).
UNKNOWN, UNKNOWN_BYTES = "unknown", 5
OPERATIONS = {(0x01, 0x5E): "tdpbusd", (0x05, 0x50): "vpdpbusd"}


@dataclass(frozen=True)
class Compiled:
    """Kernels in memory.

    engine: LLVM's engine, which owns the code.
    """

    engine: Any

    def timed(self, kernel: Kernel) -> Any:
        """Return `time_NAME` of `module_text`, as a function of Python. It runs without Python's global lock."""
        integer, pointer = ctypes.c_uint64, ctypes.c_void_p
        arguments = (integer, integer, integer, pointer, integer, pointer, pointer)
        return ctypes.CFUNCTYPE(integer, *arguments)(self.engine.get_function_address(f"time_{kernel.name}"))

    def now(self) -> int:
        """Return the processor's time stamp counter."""
        return int(ctypes.CFUNCTYPE(ctypes.c_uint64)(self.engine.get_function_address("now"))())

    def loop_problem(self, kernel: Kernel) -> str | None:
        """Return what is wrong with the kernel's loop in machine code; None if it is what `kernels.toml` says."""
        code = ctypes.string_at(self.engine.get_function_address(kernel.name), LONGEST)
        expected = Counter(kernel.round_hot) + Counter({"add": kernel.streams, "dec": 1, "jne": 1})
        loop = Counter(hot_loop(code))
        return None if loop == expected else f"its loop holds {dict(loop)} instead of {dict(expected)}"


def compiled(chosen: Sequence[Kernel]) -> Compiled:
    """Compile kernels for this process. Their instructions need not exist on this CPU until they run.

    Raises RuntimeError when LLVM does not know an instruction.
    """
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.initialize_native_asmparser()
    features = ",".join(kernel.features for kernel in chosen)
    target = llvm.Target.from_default_triple().create_target_machine(
        cpu="x86-64", features=features, codemodel="jitdefault", jit=True
    )
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(module_text(chosen)), target)
    engine.finalize_object()
    return Compiled(engine)


def hot_loop(code: bytes) -> list[str]:
    """Return the instructions of the first loop in x86-64 machine code that ends before its function returns, by name;
    an empty list without a loop.
    """
    disassembler = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    disassembler.skipdata = True
    disassembler.skipdata_setup = (UNKNOWN, lambda *_: UNKNOWN_BYTES, None)
    seen: dict[int, str] = {}
    for address, _, mnemonic, operands in disassembler.disasm_lite(code, 0):
        seen[address] = _named(code[address:]) if mnemonic == UNKNOWN else mnemonic
        if mnemonic.startswith("j") and int(operands, 16) in seen:
            return [name for place, name in seen.items() if place >= int(operands, 16)]
        if mnemonic == "ret":
            break
    return []


def _named(code: bytes) -> str:
    """Return the name of an instruction that Capstone does not know; `UNKNOWN` if this module does not either."""
    leading, fields, form, operation = code[:4]
    if (leading, fields & 0x1F) != (0xC4, 0x02):  # VEX with three bytes, 0F38
        return UNKNOWN
    return OPERATIONS.get((form & 0x87, operation), UNKNOWN)
