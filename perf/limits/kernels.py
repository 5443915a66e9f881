"""The kernels that measure the machine, from `kernels.toml`, and their text for LLVM. Pure text; nothing runs here."""

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from perf.files import read_toml

DATA = Path(__file__).with_name("kernels.toml")
Kind = Literal["fp32", "int8", "read", "copy"]
MEMORY: frozenset[Kind] = frozenset({"read", "copy"})
# Copies of the steps in a round of an arithmetic loop: its counter and jump then take no slot that matters.
UNROLLED = 4
# Dependent additions in a round of the chain that measures the clock.
CHAIN = 64
# More bytes than any kernel has: its loop is searched in these.
LONGEST = 8192
# Numbers that a chunk logs: the time stamps at its start, at its end, and after its chain of additions.
STAMPS = 3


class Kernel(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A loop that does one thing as fast as the hardware can.

    name: its name.
    kind: what it measures.
    flags: the flags of /proc/cpuinfo that it needs.
    features: the instruction sets that it needs, as LLVM names them.
    setup: the instructions before its loop.
    step: the instructions of one step, a template.
    finish: the instructions after its loop.
    steps: the steps in a round, each with registers of its own.
    work: the operations, or bytes moved, of one step.
    hot: how often a step must hold an instruction, by its name.
    streams: the places of memory that it walks side by side.
    unused_by_mxnet_150: whether no MXNet 1.5.0 has such kernels.
    """

    name: str
    kind: Kind
    flags: frozenset[str]
    features: str
    setup: str = ""
    step: str
    finish: str
    steps: int
    work: int
    hot: dict[str, int]
    streams: int = 0
    unused_by_mxnet_150: bool = False

    @property
    def unrolled(self) -> int:
        """How often a round repeats the steps. Memory's offsets grow with each step, so it does not."""
        return 1 if self.kind in MEMORY else UNROLLED

    @property
    def round_work(self) -> int:
        """The operations, or bytes moved, of one round of the loop."""
        return self.work * self.steps * self.unrolled

    @property
    def round_hot(self) -> Mapping[str, int]:
        """How often one round of the loop must hold each instruction."""
        return {name: count * self.steps * self.unrolled for name, count in self.hot.items()}


class _KernelFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of `kernels.toml`."""

    kernel: tuple[Kernel, ...]


@cache
def kernels() -> Mapping[str, Kernel]:
    """Return all kernels by name. Raises PerfError when `kernels.toml` is damaged."""
    return {kernel.name: kernel for kernel in read_toml(DATA, _KernelFile).kernel}


def kernels_for(flags: Collection[str]) -> list[Kernel]:
    """Return the kernels that a CPU with these flags of /proc/cpuinfo can run, in the order of the file."""
    return [kernel for kernel in kernels().values() if kernel.flags <= set(flags)]


def assembly(kernel: Kernel) -> str:
    """Return the kernel's instructions, one a line: setup, a loop of rcx rounds, finish."""
    steps = [
        kernel.step.format(i=step, t=step + kernel.steps, b=64 * step)
        for _ in range(kernel.unrolled)
        for step in range(kernel.steps)
    ]
    advance = [f"add {pointer}, {64 * kernel.steps}" for pointer in ("rsi", "rdi")[: kernel.streams]]
    lines = [kernel.setup, ".p2align 6", "2:", *steps, *advance, "dec rcx", "jne 2b", kernel.finish]
    return "\n".join(line for text in lines for line in text.strip().splitlines() if line)


def module_text(chosen: Sequence[Kernel]) -> str:
    """Return a module in LLVM's language with `NAME(rounds, p, q)` for each kernel, and `time_NAME` around it.

    `time_NAME(rounds, links, until, log, most, p, q)` runs chunks of this number of rounds until the processor's time
    stamp counter reaches `until`, and returns how many it ran, at most `most`. For each, it stores `STAMPS` time stamps
    in `log`: before, after, and after a chain of `links` rounds of dependent additions, which take a cycle each. The
    chain follows at once, while the clock is still the one that the kernel ran at: AVX-512 can lower it.
    """
    chain = "\n".join(["mov edx, 1", "2:", *["add rax, rdx"] * CHAIN, "dec rcx", "jne 2b"])
    functions = [_function(kernel.name, assembly(kernel)) for kernel in chosen]
    # Whoever reads `LONGEST` bytes, from wherever a kernel starts, stays within this module.
    padding = _function("padding", f".zero {LONGEST}")
    timed = [_timed(kernel.name) for kernel in chosen]
    return "\n".join([NOW, _function("chain", chain), *functions, *timed, padding])


def _function(name: str, instructions: str) -> str:
    quoted = instructions.replace("\n", "\\0A")
    return f"""
define void @{name}(i64 %rounds, ptr %p, ptr %q) noinline {{
  call {{i64, ptr, ptr}} asm sideeffect inteldialect "{quoted}",
    "={{rcx}},={{rsi}},={{rdi}},0,1,2,~{{rax}},~{{rdx}},~{{memory}},~{{flags}}"(i64 %rounds, ptr %p, ptr %q)
  ret void
}}"""


# The fence keeps the processor from reading the counter before earlier instructions have finished.
NOW = """
define i64 @now() noinline {
  %now = call i64 asm sideeffect inteldialect "lfence\\0Ardtsc\\0Alfence\\0Ashl rdx, 32\\0Aor rax, rdx",
    "={rax},~{rdx},~{memory},~{flags}"()
  ret i64 %now
}"""


def _timed(name: str) -> str:
    return f"""
define i64 @time_{name}(i64 %rounds, i64 %links, i64 %until, ptr %log, i64 %most, ptr %p, ptr %q) {{
entry:
  br label %chunk
chunk:
  %count = phi i64 [0, %entry], [%next, %chunk]
  %first = mul i64 %count, {STAMPS}
  %slot = getelementptr i64, ptr %log, i64 %first
  %slot1 = getelementptr i64, ptr %slot, i64 1
  %slot2 = getelementptr i64, ptr %slot, i64 2
  %start = call i64 @now()
  call void @{name}(i64 %rounds, ptr %p, ptr %q)
  %end = call i64 @now()
  call void @chain(i64 %links, ptr %p, ptr %q)
  %chained = call i64 @now()
  store i64 %start, ptr %slot
  store i64 %end, ptr %slot1
  store i64 %chained, ptr %slot2
  %next = add i64 %count, 1
  %early = icmp ult i64 %chained, %until
  %room = icmp ult i64 %next, %most
  %more = and i1 %early, %room
  br i1 %more, label %chunk, label %done
done:
  ret i64 %next
}}"""
