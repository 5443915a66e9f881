"""Runs in a build with MKL-DNN: quantises a network and leaves one convolution, by its number, in FP32.

python quantise_but.py FP32_SYMBOL FP32_PARAMS TARGET_SYMBOL TARGET_PARAMS NUMBER
"""

import json
import re
import sys
from typing import Any

import mxnet as mx
from mxnet.contrib.quantization import quantize_model

LAYERS = re.compile(r"_output$|^data\d*$")


def main(symbol: str, params: str, target_symbol: str, target_params: str, number: int) -> None:
    """Quantise as the suite does (perf.worker.quantise), but for convolution `number`; all of them if it is below 0."""
    states: dict[str, dict[str, Any]] = {"arg": {}, "aux": {}}
    for key, value in mx.nd.load(params).items():
        kind, name = key.split(":", 1)
        states[kind][name] = value
    fused = mx.sym.load(symbol).get_backend_symbol("MKLDNN_QUANTIZE")
    nodes = [node for node in json.loads(fused.tojson())["nodes"] if node["op"] != "null"]
    convolutions = [node["name"] for node in nodes if node["op"] == "_sg_mkldnn_conv"]
    excluded = [node["name"] for node in nodes if node["op"] == "Flatten"]
    mx.random.seed(1)
    quantised, arguments, auxiliary = quantize_model(
        fused,
        states["arg"],
        states["aux"],
        ctx=mx.cpu(),
        excluded_sym_names=excluded + ([convolutions[number]] if number >= 0 else []),
        calib_mode="naive",
        calib_data=mx.io.NDArrayIter(mx.nd.random.normal(shape=(32, 3, 32, 32)), batch_size=32),
        num_calib_examples=32,
        calib_layer=lambda name: bool(LAYERS.search(name)),
        quantized_dtype="auto",
    )
    quantised.get_backend_symbol("MKLDNN_QUANTIZE").save(target_symbol)
    tensors = {f"arg:{name}": value for name, value in arguments.items()}
    mx.nd.save(target_params, {**tensors, **{f"aux:{name}": value for name, value in auxiliary.items()}})


if __name__ == "__main__":
    *paths, convolution = sys.argv[1:]
    main(paths[0], paths[1], paths[2], paths[3], int(convolution))
