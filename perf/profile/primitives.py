"""The primitive trace of an MKL-DNN build as data: what ran, as which kernel, for how long."""

import re
from collections.abc import Iterator, Mapping
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
# How a trace names the layout of an array: up to 0.21 by what its dimensions mean ("fsrc:nChw8c"), from 1.0 on by their
# order ("src_f32::blocked:aBcd8b:f0"): "Understanding Memory Formats" in the documentation of oneDNN.
# These are the arrays that a primitive reads; pooling once called its own `data`.
READ = {"src": "src", "data": "src", "wei": "weights"}
BY_MEANING = re.compile(r"(?<![\w-])f(src|data|wei):([A-Za-z0-9]+)(?:_s8s8)?(?![\w-])")
BY_ORDER = re.compile(r"(?<![\w-])(src|data|wei)_(?:f32|s32|s8|u8|bf16|f16):\w*:blocked:([A-Za-z0-9]+)")
# The dimensions of arrays and weights in their own order, with and without groups; a layout has one of these sets.
DIMENSIONS = ("x", "nc", "ncw", "nchw", "ncdhw", "oi", "oiw", "oihw", "oidhw", "goiw", "goihw", "goidhw")
LETTERS: Mapping[frozenset[str], str] = {frozenset(names): names for names in DIMENSIONS}


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


def layouts_of(description: str) -> str:
    """Return the layouts of what a primitive reads, such as "src aBcd8b, weights ABcd8b8a": the dimensions by their
    place in the array, from the outermost one, a capital where they are blocked. "" where the trace does not show them.
    """
    named = [(READ[role], by_order(layout)) for role, layout in BY_MEANING.findall(description)]
    named += [(READ[role], layout) for role, layout in BY_ORDER.findall(description)]
    return ", ".join(f"{role} {layout}" for role, layout in named)


def by_order(layout: str) -> str:
    """Return a layout that is named by the meaning of its dimensions by their order: "aBcd8b" for "nChw8c". A name that
    is none of an array or weights, such as "any", stays as it is.
    """
    letters = "".join(letter for letter in layout if letter.isalpha())
    order = LETTERS.get(frozenset(letters.lower()))
    if order is None:
        return layout
    places = {name: chr(ord("a") + place) for place, name in enumerate(order)}
    places |= {name.upper(): letter.upper() for name, letter in places.items()}
    return "".join(places.get(char, char) for char in layout)


def shape_of(description: str) -> str:
    """Return the shape of the problem that a primitive solves, as every release writes it: the last part."""
    return description.rpartition(",")[2]
