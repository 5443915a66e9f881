"""What a layer runs in another way than before: kernels, fusion, precision, reorders, threads. Pure: no times."""

from collections.abc import Sequence

from perf.profile.layers import Layer, text_of
from perf.profile.layouts import layouts_of, shape_of
from perf.profile.primitives import REORDER, Primitive
from perf.wording import counted

# What computes an operator for which MKL-DNN runs no primitive.
OWN = "MXNet's own code"


def kernels_of(primitives: Sequence[Primitive]) -> tuple[str, ...]:
    """Return the kernels of a layer without its reorders, each once, in their order: "convolution jit:avx2"."""
    return tuple(dict.fromkeys(f"{p.kind} {p.kernel}" for p in primitives if p.kind != REORDER))


def facts_of(
    layer: Layer, then: Sequence[Primitive], now: Sequence[Primitive], threads: tuple[int, int]
) -> tuple[str, ...]:
    """Return what differs between the two stacks in a layer, a phrase each, the most telling first.

    then, now: the primitives that it ran in one pass; threads: the OpenMP threads of the stacks, then and now.
    """
    facts = []
    if not layer.then or not layer.now:
        nodes, which = (layer.now, "candidate") if layer.now else (layer.then, "baseline")
        facts.append(f"only the {which} runs {text_of(nodes)}")
    else:
        facts += _structure_facts(layer)
        facts += _kernel_facts(then, now)
    if threads[0] != threads[1]:
        facts.append(f"threads: {threads[0]} -> {threads[1]}")
    return tuple(facts)


def _structure_facts(layer: Layer) -> list[str]:
    """Return how fusion and quantisation of a layer changed."""
    if not layer.restructured:
        return []
    before, after = text_of(layer.then), text_of(layer.now)
    int8 = [any(node.quantized for node in nodes) for nodes in (layer.then, layer.now)]
    if int8[0] != int8[1]:
        return [f"{'lost' if int8[0] else 'gained'} INT8: {before} -> {after}"]
    if len(layer.then) != len(layer.now) or before != after:
        fused = [sum(max(0, len(node.inside) - 1) for node in nodes) for nodes in (layer.then, layer.now)]
        what = "lost its fusion" if fused[1] < fused[0] else "gained fusion" if fused[1] > fused[0] else "operators"
        return [f"{what}: {before} -> {after}"]
    return [f"operators: {', '.join(n.op for n in layer.then)} -> {', '.join(n.op for n in layer.now)}"]


def _kernel_facts(then: Sequence[Primitive], now: Sequence[Primitive]) -> list[str]:
    facts = []
    before, after = kernels_of(then), kernels_of(now)
    if before != after:
        facts.append(f"kernel: {', '.join(before) or OWN} -> {', '.join(after) or OWN}")
    reorders = [sum(p.kind == REORDER for p in primitives) for primitives in (then, now)]
    if reorders[0] != reorders[1]:
        change = "gained" if reorders[1] > reorders[0] else "lost"
        facts.append(f"{change} {counted(abs(reorders[1] - reorders[0]), 'reorder')}: {reorders[0]} -> {reorders[1]}")
    return facts or _array_facts(then, now)


def _array_facts(then: Sequence[Primitive], now: Sequence[Primitive]) -> list[str]:
    """Return how the arrays differ on which the same kernels work, by the first primitive that differs."""
    before, after = _computing(then), _computing(now)
    if len(before) != len(after):
        return [f"primitives: {len(before)} -> {len(after)}"]
    for (layouts, shape), (new_layouts, new_shape) in zip(before, after, strict=True):
        if shape != new_shape:
            return [f"shape: {shape} -> {new_shape}"]
        if layouts and new_layouts and layouts != new_layouts:
            return [f"layout: {layouts} -> {new_layouts}"]
    return []


def _computing(primitives: Sequence[Primitive]) -> list[tuple[str, str]]:
    """Return the layouts and shapes of all primitives but reorders, in an order that does not depend on the stack."""
    kept = sorted(
        (p for p in primitives if p.kind != REORDER), key=lambda p: (p.kind, p.kernel, shape_of(p.description))
    )
    return [(layouts_of(p.description), shape_of(p.description)) for p in kept]
