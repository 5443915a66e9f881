"""Where in a network accuracy is lost: each layer in INT8 against the same layer in FP32 on the very same inputs."""

import math
from collections.abc import Sequence

from perf.cnn.checks.defects import defects_met
from perf.cnn.checks.drift import energy, ratio_db, sqnr_db
from perf.cnn.checks.floors import LayerLoss
from perf.cnn.checks.fusion import layer_of
from perf.cnn.checks.noise import noise_of
from perf.cnn.checks.symbol import read_layers
from perf.cnn.networks import INPUT, catalogue, images_of
from perf.measure.family import Resources
from perf.measure.plan import Plan, Program, Variant, content_of
from perf.measure.workers.inspection import Arrays, inspect_layers, parameters_of
from perf.measure.workers.replies import GraphNode

# A network's activations take 50 to 300 MB an image.
IMAGES = 4


def layers_sqnr_db(plan: Plan[Program], resources: Resources) -> dict[str, float]:
    """The signal-to-quantisation-noise ratio in dB of each layer of `mkl-int8` over the same layer of `mkl-fp32`, which
    is given the INT8 layers' outputs as its inputs, in the order they run: what each layer loses by itself, whatever
    was lost before it. WorkerError when a worker fails.
    """
    arrays = {INPUT: images_of(plan)[:IMAGES]}
    variants = {variant.name: variant for variant in plan.variants}
    operators, outputs = inspect_layers(variants["mkl-int8"], arrays, resources)
    rough = {layer_of(node): outputs[node.name] for node in operators}
    exact = _exact(variants["mkl-fp32"], arrays, rough, resources)
    return {name: round(sqnr_db(exact[name], rough[name]), 2) for name in exact if name in rough}


def layer_losses(plan: Plan[Program], resources: Resources) -> list[LayerLoss]:
    """What each quantised layer loses, beside what its steps make one expect, in the order they run. The same layers in
    FP32 are given the same rounded data. Of one that the FP32 network does not have, nothing is known. WorkerError when
    a worker fails.
    """
    variants = {variant.name: variant for variant in plan.variants}
    int8, fp32 = variants["mkl-int8"], fp32_of(plan)
    images = images_of(plan)[:IMAGES]
    operators, outputs = inspect_layers(int8, {INPUT: images}, resources)
    values = {INPUT: images, **outputs}
    layers = read_layers(int8.program.symbol, values)
    rounded = {layer.inputs[0]: values[layer.name] for layer in layers.values() if layer.kind == "quantize_v2"}
    given = {layer_of(node): rounded.get(node.name, outputs[node.name]) for node in operators}
    exact = _exact(fp32, {INPUT: rounded.get(INPUT, images)}, given, resources)
    parameters = parameters_of(fp32, resources)
    shapes = {name: array.shape for name, array in values.items()}
    met = defects_met(layers, int8.name, int8.build.facts, {name: p.shape for name, p in parameters.items()}, shapes)
    losses = []
    for layer, name in ((layers[node.name], layer_of(node)) for node in operators if layers[node.name].kind):
        # What rounds its data is held against these.
        right = values[layer.inputs[0]] if layer.kind == "quantize_v2" else exact.get(name)
        if right is None:
            losses.append(LayerLoss(name, math.nan, None))
            continue
        ranges, data = zip(*((layers.range_of(source), values[source]) for source in layer.data), strict=True)
        noise = noise_of(layer, ranges, layers.range_of(layer.name), data, parameters, right)
        expected = None if noise is None else ratio_db(energy(right), noise)
        losses.append(LayerLoss(name, sqnr_db(right, values[layer.name]), expected, tuple(met.get(layer.name, ()))))
    return losses


def fp32_of(plan: Plan[Program]) -> Variant[Program]:
    """The plan's `mkl-fp32`; where it is not selected, the same of `mkl-int8`'s build and network."""
    variants = {variant.name: variant for variant in plan.variants}
    if "mkl-fp32" in variants:
        return variants["mkl-fp32"]
    int8, data = variants["mkl-int8"], catalogue().variants["mkl-fp32"]
    symbol, params = (int8.program.symbol.with_name(f"{data.artifact}.{kind}") for kind in ("json", "params"))
    return Variant("mkl-fp32", int8.build, Program(symbol, params, data.subgraph, content_of(symbol, params)))


def _exact(variant: Variant[Program], arrays: Arrays, rough: Arrays, resources: Resources) -> Arrays:
    """Each layer's output in FP32, on the given outputs of those before it, by layer."""

    def given(nodes: Sequence[GraphNode]) -> Arrays:
        return {node.name: rough[layer_of(node)] for node in nodes if layer_of(node) in rough}

    operators, outputs = inspect_layers(variant, arrays, resources, given)
    return {layer_of(node): outputs[node.name] for node in operators}
