"""How MKL-DNN 0.19 multiplies bytes on this CPU, which decides what the right INT8 answers are."""

from typing import Literal

from perf.machine import this_cpu_has

Arithmetic = Literal["exact", "halved weights", "sums in 16 bits"]
# With VNNI: products are summed in 32 bits.
EXACT: Arithmetic = "exact"
# Without AVX-512, where matrix products of bytes do the work: exact too, but of data that have signs and of weights
# with half as many steps. Found by random cases against the exact operator, which agree.
HALVED: Arithmetic = "halved weights"
# With AVX-512 but without VNNI: sums of two products saturate at 16 bits.
PAIRS: Arithmetic = "sums in 16 bits"


def int8_arithmetic() -> Arithmetic:
    """Return how INT8 convolutions compute on this CPU."""
    if this_cpu_has("avx512_vnni"):
        return EXACT
    return PAIRS if this_cpu_has("avx512") else HALVED


def why_unknown_arithmetic() -> str | None:
    """Return why the exact INT8 answers on this CPU are not known; None if they are."""
    return "this CPU has AVX-512 without VNNI" if int8_arithmetic() == PAIRS else None
