"""Where in a network accuracy is lost: each layer in INT8 against the same layer in FP32 on the very same inputs."""

from collections.abc import Sequence

from perf.cnn.drift import sqnr_db
from perf.cnn.fusion import layer_of
from perf.cnn.networks import INPUT
from perf.cnn.verify import image_set
from perf.measure.crew import Node
from perf.measure.family import Resources
from perf.measure.observe import Arrays, observe_layers
from perf.measure.plan import Plan

# A network's activations take 50 to 300 MB an image.
IMAGES = 4


def layers_sqnr_db(plan: Plan, resources: Resources) -> dict[str, float]:
    """The signal-to-quantisation-noise ratio in dB of each layer of `mkl-int8` over the same layer of `mkl-fp32`, which
    is given the INT8 layers' outputs as its inputs, in the order they run: what each layer loses by itself, whatever
    was lost before it. WorkerError when a worker fails.
    """
    arrays = {INPUT: image_set(plan.subject)[:IMAGES]}
    variants = {variant.name: variant for variant in plan.variants}
    operators, outputs = observe_layers(variants["mkl-int8"], arrays, resources)
    rough = {layer_of(node): outputs[node.name] for node in operators}

    def given(nodes: Sequence[Node]) -> Arrays:
        return {node.name: rough[layer_of(node)] for node in nodes if layer_of(node) in rough}

    exact = observe_layers(variants["mkl-fp32"], arrays, resources, given)
    return {
        layer_of(node): round(sqnr_db(exact[1][node.name], rough[layer_of(node)]), 2)
        for node in exact[0]
        if layer_of(node) in rough
    }
