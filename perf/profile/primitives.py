"""The primitive trace of an MKL-DNN build as data: what ran, as which kernel, for how long."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

# `mkldnn_verbose,exec,KIND,KERNEL,...,MILLISECONDS` up to 1.5, and from 1.6 on `dnnl_verbose,exec,cpu,KIND,...`
# ("Verbose mode" in the documentation of MKL-DNN and oneDNN).
EXECUTED = re.compile(
    r"^(?:mkldnn|dnnl|onednn)_verbose,exec,(?:cpu,)?([a-z_]+),([^,]+),(.*),"
    r"([0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)$",
    re.MULTILINE,
)
# What the worker writes into the trace (perf.worker.passes.profiled): a pass begins, and an operator has ended.
PASS = "mxnet_perf,pass"  # noqa: S105 - a mark, not a password
OPERATOR = "mxnet_perf,operator,"
# The kind of a primitive that only converts the layout or the type of an array.
REORDER = "reorder"


@dataclass(frozen=True)
class Primitive:
    """One execution of a primitive.

    `kind` is what it computes, such as `convolution` or `reorder`; `kernel` the implementation, such as `jit:avx2` or
    `gemm:ref`; `description` the propagation kind, formats, attributes and shapes as the trace prints them; `time_ms`
    its duration in milliseconds, with tracing on, so not a timed figure.
    """

    kind: str
    kernel: str
    description: str
    time_ms: float


def read_primitives(trace: str) -> Iterator[Primitive]:
    """Yield the primitives that a trace shows as executed, in their order; other lines are skipped.

    Durations are in milliseconds, as printed. A line that does not end with one is another line.
    """
    for kind, kernel, description, time_ms in EXECUTED.findall(trace):
        yield Primitive(kind, kernel, description, float(time_ms))


def by_operator(trace: str) -> dict[str, tuple[Primitive, ...]]:
    """Return the primitives that each operator ran in the last whole pass of a trace with marks, by its name in the
    network, in the order in which the operators ended; an operator without primitives has none. Empty without a marked
    pass.

    Raises ValueError as `read_primitives` does.
    """
    marked = trace.split(f"{PASS}\n")[1:]
    if not marked:
        return {}
    *operators, _ = re.split(rf"^{re.escape(OPERATOR)}(.*)\n", marked[-1], flags=re.MULTILINE)
    pairs = zip(operators[1::2], operators[::2], strict=True)
    return {name: tuple(read_primitives(text)) for name, text in pairs}
