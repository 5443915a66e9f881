"""Quantisation with the functions of the release that runs this; needs a build with MKL-DNN."""

import json
import re
from typing import Any

import mxnet as mx
from mxnet.contrib.quantization import quantize_model

# Names of the outputs to calibrate: those of layers, and the inputs.
_LAYERS = re.compile(r"_output$|^data\d*$")
# Images on which negative data are looked for: an operator without a relu has them on any.
_TRIED_IMAGES = 4


def quantise(
    symbol: Any,
    arguments: Any,
    auxiliary: Any,
    images: dict[str, Any],
    *,
    mode: str,
    exclusions: list[str],
    quantiser: dict[str, Any],
    batch_size: int = 32,
) -> tuple[Any, Any, Any]:
    """Fuse, quantise with calibrated thresholds, fuse again, as the release's own quantisation example does.

    images: the calibration images, by input name.
    mode: MXNet's calibration mode, "naive" or "entropy".
    exclusions: operators whose nodes stay FP32.
    quantiser: how this release quantises (perf.builds.releases.Quantiser).
    batch_size: images in a calibration batch, at most.

    Returns symbol, arguments and auxiliary states.
    """
    fused = symbol.get_backend_symbol(quantiser["before"])
    if quantiser["appends_identity"]:
        fused = mx.sym.identity(fused)
    count = next(iter(images.values())).shape[0]
    quantised, arguments, auxiliary = quantize_model(
        fused,
        arguments,
        auxiliary,
        data_names=tuple(images),
        ctx=mx.cpu(),
        excluded_sym_names=_excluded(fused, arguments, auxiliary, images, exclusions, quantiser),
        calib_mode=mode,
        calib_data=mx.io.NDArrayIter(images, batch_size=min(batch_size, count)),
        num_calib_examples=count,
        **({"calib_layer": lambda name: bool(_LAYERS.search(name))} if quantiser["chooses_layers"] else {}),
        **quantiser["arguments"],
    )
    return quantised.get_backend_symbol(quantiser["after"]), arguments, auxiliary


def _excluded(
    fused: Any, arguments: Any, auxiliary: Any, images: dict[str, Any], exclusions: list[str], quantiser: dict[str, Any]
) -> list[str]:
    """Return the names of the nodes that stay FP32."""
    nodes = [node for node in json.loads(fused.tojson())["nodes"] if node["op"] != "null"]
    operators = {*exclusions, *quantiser["excluded"]}
    names = [node["name"] for node in nodes if node["op"] in operators]
    return names + (_with_negative_data(fused, arguments, auxiliary, images) if quantiser["unsigned_only"] else [])


def _with_negative_data(fused: Any, arguments: Any, auxiliary: Any, images: dict[str, Any]) -> list[str]:
    """Return the names of the convolutions that get negative data for some of the images."""
    nodes = json.loads(fused.tojson())["nodes"]
    convolutions = [node for node in nodes if "conv" in node["op"].lower()]
    sources = [nodes[node["inputs"][0][0]] for node in convolutions]
    outputs = [source["name"] + ("" if source["op"] == "null" else "_output") for source in sources]
    group = mx.sym.Group([fused.get_internals()[name] for name in outputs])
    own = {**arguments, **{name: array[:_TRIED_IMAGES] for name, array in images.items()}}
    bound = group.bind(
        mx.cpu(),
        {name: own[name] for name in group.list_arguments()},
        aux_states={name: auxiliary[name] for name in group.list_auxiliary_states()},
        grad_req="null",
    )
    data = bound.forward(is_train=False)
    return [node["name"] for node, values in zip(convolutions, data, strict=True) if float(values.min().asscalar()) < 0]
