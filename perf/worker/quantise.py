"""Quantisation with MXNet's own functions; needs a build with MKL-DNN."""

import inspect
import json
import re
from typing import Any

import mxnet as mx
from mxnet.contrib.quantization import quantize_model

# Names of the outputs to calibrate: those of layers, and the inputs.
_LAYERS = re.compile(r"_output$|^data\d*$")
# From 1.6.0 on, `quantize_model` calibrates what it quantises; by default it leaves a lone pooling in FP32.
_OF_RELEASE: dict[str, Any] = (
    {"quantize_mode": "full"}
    if "quantize_mode" in inspect.signature(quantize_model).parameters
    else {"calib_layer": lambda name: bool(_LAYERS.search(name))}
)


def quantise(
    symbol: Any,
    arguments: Any,
    auxiliary: Any,
    images: dict[str, Any],
    *,
    mode: str,
    exclusions: list[str],
    batch_size: int = 32,
) -> tuple[Any, Any, Any]:
    """Fuse, quantise with calibrated thresholds, fuse again, as 1.5.0's own quantisation example does.

    images: the calibration images, by input name.
    mode: MXNet's calibration mode, "naive" or "entropy".
    exclusions: operators whose nodes stay FP32.
    batch_size: images in a calibration batch, at most.

    Returns symbol, arguments and auxiliary states.
    """
    fused = symbol.get_backend_symbol("MKLDNN_QUANTIZE")
    nodes = json.loads(fused.tojson())["nodes"]
    count = next(iter(images.values())).shape[0]
    quantised, arguments, auxiliary = quantize_model(
        fused,
        arguments,
        auxiliary,
        data_names=tuple(images),
        ctx=mx.cpu(),
        excluded_sym_names=[node["name"] for node in nodes if node["op"] in exclusions],
        calib_mode=mode,
        calib_data=mx.io.NDArrayIter(images, batch_size=min(batch_size, count)),
        num_calib_examples=count,
        quantized_dtype="auto",
        **_OF_RELEASE,
    )
    return quantised.get_backend_symbol("MKLDNN_QUANTIZE"), arguments, auxiliary
