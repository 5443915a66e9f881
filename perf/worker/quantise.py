"""Quantisation by MXNet's own means; needs a build with MKL-DNN."""

import json
import re
from typing import Any

import mxnet as mx
from mxnet.contrib.quantization import quantize_model

_LAYERS = re.compile(r"_output$|^data\d*$")


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
    """Fuse, quantise with calibrated thresholds, fuse again: the way of 1.5.0's own quantisation example.

    `images` are arrays by input name; `exclusions` are operators whose nodes stay FP32. Returns symbol, arguments and
    auxiliary states.
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
        calib_layer=lambda name: bool(_LAYERS.search(name)),
        quantized_dtype="auto",
    )
    return quantised.get_backend_symbol("MKLDNN_QUANTIZE"), arguments, auxiliary
