"""Where a network loses accuracy: each layer in INT8 compared with the same layer in FP32 on the same inputs."""

import math
from collections.abc import Sequence
from dataclasses import replace

from perf.cnn.checks.defects import layer_defects
from perf.cnn.checks.drift import energy, ratio_db, sqnr_db
from perf.cnn.checks.floors import LayerLoss
from perf.cnn.checks.noise import expected_noise
from perf.cnn.checks.symbol import read_layers
from perf.cnn.networks import INPUT, catalogue, images_of
from perf.cnn.operators.arithmetic import int8_arithmetic
from perf.measure.family import Resources
from perf.measure.plan import Plan, Program, Variant
from perf.measure.workers.inspection import Arrays, inspect_layers, parameters_of
from perf.measure.workers.replies import GraphNode
from perf.profile.operators import layer_name

# Fewer than for outputs: all activations of a network take 50 to 300 MB an image.
LAYER_IMAGES = 4


def layers_sqnr_db(plan: Plan[Program], resources: Resources) -> dict[str, float]:
    """Return the signal-to-quantisation-noise ratio in dB of each layer of `mkl-int8`, in execution order.

    The reference is the same layer of `mkl-fp32` with the INT8 layers' outputs as its inputs: the ratio shows what the
    layer loses on its own, whatever earlier layers lost. Raises WorkerError when a worker fails.
    """
    arrays = {INPUT: images_of(plan)[:LAYER_IMAGES]}
    variants = {variant.name: variant for variant in plan.variants}
    operators, outputs = inspect_layers(variants["mkl-int8"], arrays, resources)
    int8 = {layer_name(node): outputs[node.name] for node in operators}
    fp32 = _layers_in_fp32(variants["mkl-fp32"], arrays, int8, resources)
    return {name: round(sqnr_db(fp32[name], int8[name]), 2) for name in fp32 if name in int8}


def layer_losses(plan: Plan[Program], resources: Resources) -> list[LayerLoss]:
    """Return what each quantised layer of `mkl-int8` loses and is expected to lose, in execution order.

    The same layers in FP32 get the same rounded data. Nothing is expected of a layer that the FP32 network lacks.
    Raises WorkerError when a worker fails.
    """
    variants = {variant.name: variant for variant in plan.variants}
    int8, fp32 = variants["mkl-int8"], fp32_of(plan)
    images = images_of(plan)[:LAYER_IMAGES]
    operators, outputs = inspect_layers(int8, {INPUT: images}, resources)
    values = {INPUT: images, **outputs}
    layers = read_layers(int8.program.symbol, values)
    rounded = {layer.inputs[0]: values[layer.name] for layer in layers.values() if layer.kind == "quantize_v2"}
    inputs = {layer_name(node): rounded.get(node.name, outputs[node.name]) for node in operators}
    exact = _layers_in_fp32(fp32, {INPUT: rounded.get(INPUT, images)}, inputs, resources)
    parameters = parameters_of(fp32, resources)
    parameter_shapes = {name: array.shape for name, array in parameters.items()}
    output_shapes = {name: array.shape for name, array in values.items()}
    defects = layer_defects(layers, int8.name, int8.build.facts, parameter_shapes, output_shapes)
    losses = []
    for layer, name in ((layers[node.name], layer_name(node)) for node in operators if layers[node.name].kind):
        # A layer that only rounds its data is compared with these data.
        right = values[layer.inputs[0]] if layer.kind == "quantize_v2" else exact.get(name)
        if right is None:
            losses.append(LayerLoss(name, math.nan, None))
            continue
        ranges, data = zip(*((layers.range_of(source), values[source]) for source in layer.data), strict=True)
        own = layers.range_of(layer.name)
        noise = expected_noise(layer, ranges, own, data, parameters, right, int8_arithmetic())
        expected = None if noise is None else ratio_db(energy(right), noise)
        losses.append(LayerLoss(name, sqnr_db(right, values[layer.name]), expected, tuple(defects.get(layer.name, ()))))
    return losses


def fp32_of(plan: Plan[Program]) -> Variant[Program]:
    """Return the plan's `mkl-fp32`, or, if it is not selected, the reference's files as `mkl-fp32` runs them."""
    variants = {variant.name: variant for variant in plan.variants}
    if "mkl-fp32" in variants:
        return variants["mkl-fp32"]
    program = replace(variants[plan.reference].program, subgraph=catalogue().variants["mkl-fp32"].subgraph)
    return Variant("mkl-fp32", variants["mkl-int8"].build, program)


def _layers_in_fp32(variant: Variant[Program], arrays: Arrays, inputs: Arrays, resources: Resources) -> Arrays:
    """Return each layer's output in FP32 by layer, where `inputs` replaces the outputs of earlier layers."""

    def outputs_by_node(nodes: Sequence[GraphNode]) -> Arrays:
        return {node.name: inputs[layer_name(node)] for node in nodes if layer_name(node) in inputs}

    operators, outputs = inspect_layers(variant, arrays, resources, outputs_by_node)
    return {layer_name(node): outputs[node.name] for node in operators}
